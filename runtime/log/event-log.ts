import type { Position, Slot, StreamId, Version } from '../../proto/ids.ts';

/**
 * The event log as the runtime needs it. Every adapter passes `event-log.contract.ts` unchanged.
 *
 * A record is the outcome of one turn: `count` events, versions `version` .. `version + count - 1`, appended atomically.
 * The log never looks inside `bytes` (proto/node/v1/record.proto).
 */
export interface LogRecord {
  readonly stream: StreamId;
  /** Of the record's first event. */
  readonly version: Version;
  readonly count: number;
  readonly epoch: number;
  readonly position: Position;
  readonly bytes: Uint8Array;
}

export interface EventLog {
  /** Absent: the log takes appends at any time. */
  readonly pacing?: AppendPacing;
  /**
   * Makes the caller the slot's writer under `epoch` and fences all writers of lower epochs: their appends are refused
   * from now on. Taking with an epoch lower than the present one rejects with {@link FencedError}.
   *
   * A log that can compare only per stream (NATS) fences an earlier writer *as it learns of the take*: within milliseconds,
   * or with the first answer that it gets from the log after it was stopped or cut off. Until then it may still append to
   * streams that no higher epoch has written; never behind a record of a higher epoch, so I2 holds all the same.
   */
  take(slot: Slot, epoch: number): Promise<SlotWriter>;
  /**
   * A stream that has many writers, none of which owns it (kind "cluster"): no epoch is asked for and none fences, only
   * the conditional append keeps it one history (I2). Its records bear epoch 0. Opens nothing, so it cannot fail; kinds
   * that actors own must not be written in this way, and an adapter refuses them by throwing.
   */
  shared(stream: StreamId): StreamWriter;
  /**
   * The stream's records from the one that contains `from` (1 = the first) on, in order, up to about `bytesMax` bytes
   * (at least one record if there is any), as of some moment after the call: contains all that was acknowledged before it.
   * `next` is the version to read on from, or undefined when the answer reached the head.
   */
  read(stream: StreamId, from: Version, bytesMax?: number): Promise<ReadPage>;
  /** All records of one slot from `from` (0 = the oldest) on, in the order of the log. */
  readSlot(slot: Slot, from: Position, bytesMax?: number): Promise<SlotPage>;
  /** The version of the stream's last event, 0 if it has none. Judged by the log itself, never by a copy. */
  head(stream: StreamId): Promise<Version>;
  /**
   * For every slot where reading it on would find only what is appended after the call: `readSlot(slot, ends[slot])` is
   * empty then. One cheap call for all 256 slots, so that a reader of many learns which of them have something new.
   */
  ends(): Promise<readonly Position[]>;
  /**
   * Lets go of the slot's records below `before`. The caller has them in the archive: the log itself does not ask (I8).
   * Atomic for each stream: its `oldest` rises to the first record that is kept. May keep more than it must (whole segments
   * go, or nothing), resolves with the position of the first record kept, and may be repeated freely. `head` and the
   * conditional append stay as they were, also for streams of which nothing is left.
   */
  trim(slot: Slot, before: Position): Promise<Position>;
  close(): Promise<void>;
}

/**
 * A log that carries one frame of appends at a time tells its writer when to decide: what is decided while a frame is in
 * flight would only wait, and in more and smaller records than if it were decided when the frame is back.
 */
export interface AppendPacing {
  /** A frame is in flight. */
  readonly isBusy: boolean;
  /** Called when the frame in flight was answered, before the next one leaves: what is appended during the call goes with it. */
  onFree: (() => void) | undefined;
  /** Sends what was appended now, instead of at the end of the round. */
  flush(): void;
}

export interface ReadPage {
  readonly records: readonly LogRecord[];
  readonly next: Version | undefined;
  readonly head: Version;
  /** The lowest version that is still in the log; 1 unless trimmed. */
  readonly oldest: Version;
}

export interface SlotPage {
  readonly records: readonly LogRecord[];
  /** Where to read on; equal to `end` when the answer reached it. */
  readonly next: Position;
  readonly end: Position;
  /** The first record that is still in the log; reading from below it has skipped what was trimmed. 0 unless trimmed. */
  readonly oldest: Position;
}

export interface SlotWriter {
  readonly slot: Slot;
  readonly epoch: number;
  /**
   * Appends iff the stream's head is exactly `expected` (0 = the stream is empty) and this writer's epoch is not fenced.
   * Appends of one writer are carried out in the order of the calls; several may be in flight. Never throws: the
   * outcome is a value, and *conflict*, *fenced*, *refused* mean "surely not done", *ambiguous* means "unknown: read the log".
   */
  append(stream: StreamId, expected: Version, count: number, bytes: Uint8Array): Promise<AppendOutcome>;
}

export interface StreamWriter {
  readonly stream: StreamId;
  /** As {@link SlotWriter.append}, but never *fenced*. */
  append(expected: Version, count: number, bytes: Uint8Array): Promise<AppendOutcome>;
}

/** The kinds of streams that {@link EventLog.shared} may write. */
export const sharedKinds: readonly string[] = ['cluster'];

export type AppendOutcome =
  | { readonly kind: 'appended'; readonly position: Position }
  | { readonly kind: 'conflict'; readonly head: Version }
  | { readonly kind: 'fenced'; readonly epoch: number }
  | AppendRefusal
  | { readonly kind: 'ambiguous'; readonly message: string };

export interface AppendRefusal {
  readonly kind: 'refused';
  readonly reason: 'full' | 'too_large' | 'busy' | 'damaged';
  readonly message: string;
}

/** Thrown by {@link EventLog.take} when a higher epoch has taken the slot. */
export class FencedError extends Error {
  override readonly name = 'FencedError';
  constructor(
    readonly slot: Slot,
    readonly epoch: number,
  ) {
    super(`slot ${slot} is held under epoch ${epoch}: re-read the view`);
  }
}

/** Thrown by reads and takes when the log cannot be reached within the call's bound; nothing is known of its state. */
export class LogUnavailableError extends Error {
  override readonly name = 'LogUnavailableError';
}

/** Thrown by reads when a part of the log is damaged: reported, never skipped. */
export class LogDamagedError extends Error {
  override readonly name = 'LogDamagedError';
}
