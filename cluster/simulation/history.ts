/**
 * The auditor: everything that clients sent, saw and were told, and every fault that was done to the cluster, in order. The
 * checkers judge by this and the log alone. Owns the lines, and a running hash of them and of every byte on the wire: two
 * runs of one seed must end with the same.
 */
import { crc32 } from 'node:zlib';
import type { LedgerEntry } from '../host/black-box/judge/effects.ts';
import type { SubscriptionJudge } from '../host/black-box/judge/subscription.ts';
import type { Ack, Action, Mode, Nack } from '../host/black-box/wire.ts';
import type { SimHunt } from './hunts.ts';

/** Lines that are kept for the report of a failure; all go into the hash. */
const linesKept = 4_000;

/** One command of a player, over all its sendings. */
export interface Commanded extends LedgerEntry {
  readonly hunt: number;
  /** When it was first sent, first answered for good, and first told of an effect; microseconds. */
  readonly sentAt: number;
  answeredAt: number | undefined;
  toldAt: number | undefined;
  /** The final refusal without effect, if that was the end. */
  refusal: { readonly code: string; readonly at: number } | undefined;
  /** Sendings of which no answer came, or one that leaves it open: the effect may be there without a reply. */
  unknown: number;
  /** The client gave it up after a retryable refusal. */
  isAbandoned: boolean;
}

/** The same seq with another action: must never be accepted while the first had its effect. */
export interface Conflicting {
  readonly hunt: number;
  readonly player: string;
  readonly seq: number;
  readonly action: Action;
  readonly replies: (Ack | Nack)[];
}

/** A seq that a player was told to be too old. */
export interface Outdated {
  readonly hunt: number;
  readonly player: string;
  readonly seq: number;
  /** The highest that the player had sent until then. */
  readonly sentUpTo: number;
}

/** A designer's request. */
export interface Steered {
  readonly hunt: number;
  readonly verb: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** Undefined: sent once, and never again by software. */
  readonly key: string | undefined;
  readonly sentAt: number;
  answeredAt: number | undefined;
  outcome: { readonly ok: true; readonly version: number } | { readonly ok: false; readonly code: string } | undefined;
}

/** A read through a gateway, or the first snapshot of a subscription. */
export interface Seen {
  readonly hunt: number;
  readonly what: 'scoreboard' | 'show' | 'snap';
  readonly player: string | undefined;
  readonly beganAt: number;
  readonly endedAt: number;
  readonly version: number;
  readonly body: unknown;
}

/** Somebody was shown that a version is there. */
export interface Shown {
  readonly hunt: number;
  readonly at: number;
  readonly version: number;
}

export interface Followed {
  readonly hunt: number;
  readonly tag: string;
  readonly player: string | undefined;
  readonly judge: SubscriptionJudge;
  /** In which it was served so far. */
  readonly modes: ReadonlySet<Mode>;
}

export interface HuntMade {
  readonly hunt: number;
  readonly rules: SimHunt;
}

export class History {
  readonly commands: Commanded[] = [];
  readonly conflicts: Conflicting[] = [];
  readonly outdated: Outdated[] = [];
  readonly steered: Steered[] = [];
  readonly seen: Seen[] = [];
  readonly shown: Shown[] = [];
  readonly followed: Followed[] = [];
  readonly hunts: HuntMade[] = [];
  readonly #lines: string[] = [];
  #hash = 0;
  lines = 0;

  constructor(
    private readonly now: () => number,
    private readonly onLine?: (line: string) => void,
  ) {}

  note(who: string, what: string): void {
    const line = `${(this.now() / 1_000).toFixed(3).padStart(11)} ${who.padEnd(9)} ${what}`;
    this.lines++;
    this.#hash = crc32(line, this.#hash);
    this.#lines.push(line);
    if (this.#lines.length > linesKept * 2) this.#lines.splice(0, linesKept);
    this.onLine?.(line);
  }

  /** Bytes that arrived somewhere. */
  bytes(bytes: Buffer): void {
    this.#hash = crc32(bytes, this.#hash);
  }

  /** Something happened; only its place in the order counts. */
  step(at: number): void {
    this.#hash = (Math.imul(this.#hash ^ at, 0x9e3779b1) ^ (this.#hash >>> 15)) >>> 0;
  }

  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  tail(count: number): readonly string[] {
    return this.#lines.slice(-count);
  }
}
