/** The appends of one stream that are asked and not answered, in the order of the calls. Only the first is ever sent. */
import { type Slot, type StreamId, slotOf, type Version } from '../../../proto/ids.ts';
import type { AppendOutcome } from '../event-log.ts';
import { backBehind, encodeRecordHeader } from './record-header.ts';
import { headOf } from './stored-messages.ts';
import type { Tip } from './tips.ts';

export interface AskedAppend {
  readonly expected: Version;
  readonly count: number;
  /** 0: a stream without an owner, whom nobody fences. */
  readonly epoch: number;
  readonly bytes: Uint8Array;
  /** Of this append alone, however often it is sent. */
  readonly id: string;
  /** By the order of all calls. */
  readonly number: number;
  readonly sinceMs: number;
  readonly resolve: (outcome: AppendOutcome) => void;
}

export interface Append extends AskedAppend {
  /** Behind what it was sent; undefined for a stream's first record. */
  tip: Tip | undefined;
  /** Where its answer arrives. */
  reply: string | undefined;
  /** Sent, and so far without any answer. */
  isUnanswered: boolean;
  /** Sent before in vain: it may be in the log. */
  isMaybeStored: boolean;
  /** What the server said instead of yes or no. */
  trouble: string | undefined;
  againMs: number;
}

export class AppendChain {
  readonly slot: Slot;
  readonly appends: Append[] = [];
  /** The first is on the way, or the log is asked about it. */
  isUnderWay = false;

  constructor(
    stream: StreamId,
    readonly subject: string,
    private readonly settled: (append: Append) => void,
  ) {
    this.slot = slotOf(stream.id);
  }

  get first(): Append {
    return this.appends[0] as Append;
  }
  get isEmpty(): boolean {
    return this.appends.length === 0;
  }

  /** Written out: a spread costs more here than everything else of an append. */
  add({ expected, count, epoch, bytes, id, number, sinceMs, resolve }: AskedAppend): void {
    this.appends.push({
      expected,
      count,
      epoch,
      bytes,
      id,
      number,
      sinceMs,
      resolve,
      tip: undefined,
      reply: undefined,
      isUnanswered: false,
      isMaybeStored: false,
      trouble: undefined,
      againMs: 0,
    });
  }

  /** The first has its outcome. */
  settle(outcome: AppendOutcome): void {
    const append = this.appends.shift() as Append;
    this.settled(append);
    append.resolve(outcome);
  }

  /** The first can get no other outcome than this, and so those behind it are not sent at all. */
  giveUp(outcome: AppendOutcome): void {
    this.settle(outcome);
    const message = 'message' in outcome ? outcome.message : outcome.kind;
    while (!this.isEmpty) this.settle({ kind: 'refused', reason: 'busy', message: neverSent(message) });
  }
}

/** The message as it is sent now. */
export function appendHeader({ tip, expected, count, epoch, id }: Append): Buffer {
  return encodeRecordHeader({ version: expected + 1, count, epoch, id, ...linkTo(tip) });
}

/** The stream's end, once the append is stored at `seq`. */
export function tipAfter({ tip, expected, count, epoch }: Append, seq: number): Tip {
  return { seq, version: expected + 1, count, epoch, ...linkTo(tip) };
}

function linkTo(tip: Tip | undefined): { previous: number; back: string } {
  if (tip === undefined) return { previous: 0, back: '' };
  return { previous: tip.seq, back: tip.count === 0 ? '' : backBehind(tip.seq, tip) };
}

/** The append may go behind this message, as far as this process knows. */
export const fits = (tip: Tip, { expected, epoch }: Append): boolean =>
  headOf(tip) === expected && (epoch === 0 || tip.epoch <= epoch);

export const neverSent = (message: string): string => `${message}; this append was never sent`;
