/**
 * What clients stand on: their time, and their ways to the gateways. In the simulation all of it is simulated; the chaos of real
 * processes (cluster/host/black-box/chaos) puts the same players and designers on real clocks and sockets.
 */
import type { Duplex } from 'node:stream';
import type { Claims } from '../../gateway/token/claims.ts';
import type { Timers } from '../../runtime/kernel/timer.ts';
import { simToken, socketAddr } from './gateway-role.ts';
import type { Network } from './network.ts';
import { type Asked, ask, requestAddr, type Told } from './request.ts';
import { type SimProcess, worldBeganAt } from './sim-process.ts';

export interface Footing {
  readonly timers: Timers;
  /** When `now()` was 0; ms since 1970. */
  readonly beganAt: number;
  /** Microseconds; never falls. */
  now(): number;
  /** A connection to that gateway's sockets, on which the answer to the upgrade comes first. */
  connect(gateway: string): Duplex;
  /** One request of a designer's, tried once. */
  ask(gateway: string, asked: Asked): Promise<Told>;
  token(claims: Claims): string;
}

export function simFooting(process: SimProcess, network: Network): Footing {
  const connect = (addr: string): Duplex => network.socketsOf(process).connect(addr);
  return {
    get timers() {
      return process.timers;
    },
    beganAt: worldBeganAt,
    now: () => process.schedule.now,
    connect: (gateway) => connect(socketAddr(gateway)),
    ask: (gateway, asked) => ask(process, connect(requestAddr(gateway)), asked),
    token: simToken,
  };
}
