/** What HTTP and gRPC do alike, one file an operation; this is what they share. */
import { createHash } from 'node:crypto';
import { huntIdMinter, joinCodeOf } from '../../../proto/ids.ts';
import { HuntDirectory } from '../hunt-directory.ts';
import { Idempotency } from '../idempotency.ts';
import { JoinLimit } from '../join-limit.ts';
import type { AdminPorts } from '../ports.ts';
import { Scoreboards } from '../scoreboards.ts';

export interface Operations {
  readonly ports: AdminPorts;
  readonly directory: HuntDirectory;
  readonly scoreboards: Scoreboards;
  readonly idempotency: Idempotency;
  readonly joinLimit: JoinLimit;
  readonly mintHuntId: () => number;
}

/** One a gateway process; its HTTP and its gRPC side use the same. */
export function operationsOf(ports: AdminPorts): Operations {
  const mintHuntId = huntIdMinter(ports.clock, ports.random);
  return {
    ports,
    directory: new HuntDirectory(ports.route),
    scoreboards: new Scoreboards(ports.route, ports.scoreboards),
    idempotency: new Idempotency(ports.route, () => ({ hunt_id: mintHuntId(), seed: ports.random.token(18) })),
    joinLimit: new JoinLimit(ports.clock),
    mintHuntId,
  };
}

/** The n-th join code that a seed gives: the same on every try, and not to be guessed without the seed. */
export function derivedJoinCode(seed: string, n: number): string {
  return joinCodeOf(createHash('sha256').update(`code ${n} ${seed}`).digest().readUInt32BE(0) & 0x3fff_ffff);
}

export function derivedPlayerId(seed: string): string {
  return `p-${createHash('sha256').update(`player ${seed}`).digest('hex').slice(0, 20)}`;
}
