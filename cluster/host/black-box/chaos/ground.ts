/** What the simulation's players and designers stand on here: the real clock, and sockets and HTTP of real gateways. */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { systemClock } from '../../../../runtime/kernel/clock.ts';
import { systemTimers } from '../../../../runtime/kernel/timer.ts';
import type { Footing } from '../../../simulation/footing.ts';
import type { Asked, Told } from '../../../simulation/request.ts';
import { usPerMs } from '../../../simulation/sim-process.ts';
import { callHttp } from '../bare-http.ts';
import { within } from '../deadline.ts';
import type { Claims } from '../token.ts';

/** A client waits so long for an answer. */
const patienceMs = 12_000;
const keyBytes = 16;

export interface GroundPorts {
  /** Where clients reach that gateway. */
  readonly portOf: (gateway: string) => number;
  readonly mint: (claims: Claims) => string;
}

export function realGround({ portOf, mint }: GroundPorts): Footing {
  const begun = systemClock.monotonic();
  const designer = (): string => mint({ sub: 'dora', role: 'designer' });
  return {
    timers: systemTimers,
    beganAt: systemClock.now(),
    now: () => Math.round((systemClock.monotonic() - begun) * usPerMs),
    connect: (gateway) => {
      const socket = connect({ host: '127.0.0.1', port: portOf(gateway), noDelay: true });
      socket.write(upgrade(portOf(gateway)));
      return socket;
    },
    ask: (gateway, asked) => ask(`http://127.0.0.1:${portOf(gateway)}`, designer(), asked),
    // The simulation's tokens never end; no real one may say so.
    token: ({ sub, role, hunt }) => mint({ sub, role, ...(hunt === undefined ? {} : { hunt: hunt as number }) }),
  };
}

const upgrade = (port: number): string =>
  [
    'GET /v1/socket HTTP/1.1',
    `Host: 127.0.0.1:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(keyBytes).toString('base64')}`,
    'Sec-WebSocket-Protocol: hunt.v1.json',
    '',
    '',
  ].join('\r\n');

async function ask(base: string, token: string, asked: Asked): Promise<Told> {
  const [method, path, body, key] = requestOf(asked);
  const headers = key === undefined ? {} : { 'idempotency-key': key };
  try {
    const call = callHttp(base, method, path, { token, headers, ...(body === undefined ? {} : { body }) });
    const { status, json } = await within(`${method} ${path}`, patienceMs, call);
    if (json === undefined) return { kind: 'lost' };
    if (status < 300) return { kind: 'ok', body: json as Record<string, unknown> };
    const problem = json as { code: string; detail?: string; retry_ms?: number };
    return { kind: 'problem', code: problem.code, message: problem.detail ?? '', retryMs: problem.retry_ms ?? 0 };
  } catch {
    return { kind: 'lost' };
  }
}

type Request = readonly [method: string, path: string, body?: object, key?: string | undefined];

function requestOf(asked: Asked): Request {
  switch (asked.op) {
    case 'create':
      return ['POST', '/v1/hunts', asked.definition, asked.key];
    case 'steer':
      return ['POST', `/v1/hunts/${asked.hunt}/${asked.verb}`, asked.body, asked.key];
    case 'scoreboard':
      return ['GET', `/v1/hunts/${asked.hunt}/scoreboard?limit=100`];
    case 'show':
      return ['GET', `/v1/hunts/${asked.hunt}`];
    default:
      throw new Error(`designers do not ask for ${asked.op}`);
  }
}
