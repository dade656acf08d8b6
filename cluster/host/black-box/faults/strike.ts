/** What is done to a cluster's servers and processes while people play, and what must be true around it. */
import type { Profile } from '../profile-servers.ts';
import type { FaultBed } from './bed.ts';

export interface Strike {
  readonly name: string;
  readonly profiles: readonly Profile[];
  /** Where it is part of `npm test`; everything runs in `npm run faults`. */
  readonly brief?: readonly Profile[];
  /** `unnoticed`: play does not need what is struck (I10). `waits`: nobody is acknowledged without it, and nobody refused. */
  readonly play: 'unnoticed' | 'waits';
  /** Resolves when everything is there again. Throws if the fault did not really happen. */
  run(bed: FaultBed): Promise<Away>;
  /** What else must be true again, while people play on. */
  after?(bed: FaultBed, away: Away): Promise<void>;
}

/** A fault that happened. Times by performance.now. */
export interface Away {
  readonly awayAt: number;
  /** When it was started or continued. */
  readonly awayUntil: number;
  /** When it served again. */
  readonly backAt: number;
  /** What shows that it happened, in words. */
  readonly proof: string;
}

export const everywhere: readonly Profile[] = ['embedded', 'nats', 'kafka'];
export const onServers: readonly Profile[] = ['nats', 'kafka'];
