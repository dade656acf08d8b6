/**
 * Judges the appends of one frame, in order, and answers the frame when the last of them is settled. Owns nothing but the
 * frames under way. The rules of {@link EventLog} stand here: compare-and-set (I2), fencing by epoch, bounds (I5), and how an
 * append that is sent again after a broken link is recognised as done.
 */
import { slotOf } from '../../../proto/ids.ts';
import { frame } from '../../link/frame.ts';
import { sharedKinds } from '../event-log.ts';
import type { CommitLane, Settled, Waiting } from './commit-lane.ts';
import type { Damage } from './damage.ts';
import type { IndexStore } from './index-store.ts';
import type { Reader } from './reader.ts';
import { at, kindAt, recordBytes, recordHeaderBytes, recordMark, recordType } from './record.ts';
import type { StreamEntry } from './stream-index.ts';
import { logFrame, outcome } from './wire.ts';

export const waitingBytesMax = 64 * 1024 * 1024;
/** Records that the index does not have yet: more, and the disk does not keep up. */
export const unindexedMax = 2_000_000;
const resultBytes = 9;

interface Answers {
  send(bytes: Buffer): void;
}

/** The answer to one append frame, filled in as its appends settle. */
class FrameAnswer {
  readonly #body: Buffer;
  #left: number;
  #message = '';

  constructor(
    private readonly link: Answers,
    number: number,
    count: number,
  ) {
    this.#left = count;
    this.#body = Buffer.alloc(8 + count * resultBytes);
    this.#body.writeUInt32LE(number, 0);
    this.#body.writeUInt32LE(count, 4);
    if (count === 0) this.#send();
  }

  settle(index: number, kind: number, value: number, message = ''): void {
    const to = 8 + index * resultBytes;
    this.#body[to] = kind;
    this.#body.writeDoubleLE(value, to + 1);
    if (message !== '') this.#message = message;
    if (--this.#left === 0) this.#send();
  }

  #send(): void {
    this.link.send(frame(logFrame.appended, this.#body, Buffer.from(this.#message, 'utf8')));
  }
}

class Append implements Waiting {
  position = 0;

  constructor(
    readonly entry: StreamEntry,
    readonly slot: number,
    readonly version: number,
    readonly count: number,
    readonly source: Buffer | undefined,
    readonly offset: number,
    readonly length: number,
    private readonly answer: FrameAnswer,
    private readonly index: number,
    /** What to say once everything before it is durable; undefined: that it was appended. */
    private readonly then: (() => void) | undefined,
  ) {}

  settle(settled: Settled): void {
    if (settled.kind === 'refused') this.answer.settle(this.index, outcome.full, 0, settled.message);
    else if (settled.kind === 'ambiguous') this.answer.settle(this.index, outcome.ambiguous, 0, settled.message);
    else if (this.then !== undefined) this.then();
    else this.answer.settle(this.index, outcome.appended, this.position);
  }
}

export class Intake {
  constructor(
    private readonly lane: CommitLane,
    private readonly index: IndexStore,
    private readonly reader: Reader,
    private readonly damage: Damage,
  ) {}

  /** Throws {@link RangeError} when the frame is not a run of records: end the link. */
  frame(link: Answers, body: Buffer): void {
    const number = body.readUInt32LE(0);
    const again = body.readUInt8(4) === 1;
    // The frame's bytes are only ours during this call, and the records wait for the commit.
    const source = Buffer.from(body.subarray(5));
    const offsets: number[] = [];
    for (let offset = 0; offset < source.length; ) {
      if (offset + recordHeaderBytes > source.length || source.readUInt32LE(offset) !== recordMark)
        throw new RangeError('an append frame that holds no record');
      offsets.push(offset);
      offset += recordBytes(source.readUInt32LE(offset + at.bodyLength));
      if (offset > source.length) throw new RangeError('an append frame that ends within a record');
    }
    const answer = new FrameAnswer(link, number, offsets.length);
    for (let i = 0; i < offsets.length; i++) this.#judge(answer, i, source, offsets[i] as number, again);
  }

  #judge(answer: FrameAnswer, index: number, source: Buffer, offset: number, again: boolean): void {
    const id = source.readDoubleLE(offset + at.id);
    const slot = source.readUInt16LE(offset + at.slot);
    const count = source.readUInt32LE(offset + at.count);
    const version = source.readDoubleLE(offset + at.version);
    const epoch = source.readDoubleLE(offset + at.epoch);
    const bodyLength = source.readUInt32LE(offset + at.bodyLength);
    const kind = kindAt(source, offset);
    if (
      slot !== slotOf(id) ||
      count < 1 ||
      !(version >= 1) ||
      !(epoch >= 0) ||
      source[offset + at.type] !== recordType.events
    ) {
      throw new RangeError(
        `an append to ${kind}/${id} with slot ${slot}, version ${version}, count ${count}, epoch ${epoch}`,
      );
    }
    const { lane } = this;
    const length = recordBytes(bodyLength);
    const entry = this.index.streams.entry(kind, id);
    const wait = (bytes: Buffer | undefined, then: (() => void) | undefined): void => {
      lane.submit(
        new Append(entry, slot, version, count, bytes, offset, bytes === undefined ? 0 : length, answer, index, then),
      );
    };
    if (again && entry.head >= version) {
      // Perhaps it was done before the link broke: once everything before is durable, the log itself tells.
      wait(undefined, () => void this.#compare(answer, index, source, offset, entry));
      return;
    }
    const taken = lane.epochs[slot] as number;
    const fences = !sharedKinds.includes(kind);
    const tight = fences ? lane.tightFor(length) : undefined;
    if (fences && epoch < taken) answer.settle(index, outcome.fenced, taken);
    else if (bodyLength > lane.bodyBytesMax) {
      answer.settle(
        index,
        outcome.tooLarge,
        0,
        `a record of ${bodyLength} bytes (at most ${lane.bodyBytesMax}): append in smaller turns`,
      );
    } else if (this.damage.any && this.damage.ofStream(entry) !== undefined) {
      answer.settle(index, outcome.damaged, 0, this.damage.ofStream(entry) as string);
    } else if (lane.trouble !== undefined) answer.settle(index, outcome.full, 0, lane.trouble);
    else if (tight !== undefined) answer.settle(index, outcome.full, 0, tight);
    else if (lane.waitingBytes + length > waitingBytesMax || this.index.streams.unindexed > unindexedMax) {
      answer.settle(
        index,
        outcome.busy,
        0,
        `the log has ${lane.waitingBytes} bytes waiting (at most ${waitingBytesMax}): try again soon`,
      );
    } else if (entry.head === version - 1) {
      entry.head = version + count - 1;
      if (fences && epoch > taken) lane.epochs[slot] = epoch;
      wait(source, undefined);
    } else if (entry.head === entry.committed) answer.settle(index, outcome.conflict, entry.committed);
    else wait(undefined, () => answer.settle(index, outcome.conflict, entry.committed));
  }

  /** Done iff the record at this version is the very same: bytes, count and epoch. Otherwise somebody else was first. */
  async #compare(
    answer: FrameAnswer,
    index: number,
    source: Buffer,
    offset: number,
    entry: StreamEntry,
  ): Promise<void> {
    try {
      const version = source.readDoubleLE(offset + at.version);
      const { bytes } = await this.reader.stream(entry, version, version, 1);
      const length = source.readUInt32LE(offset + at.bodyLength);
      const same =
        bytes.length > 0 &&
        bytes.readDoubleLE(at.version) === version &&
        bytes.readUInt32LE(at.count) === source.readUInt32LE(offset + at.count) &&
        bytes.readDoubleLE(at.epoch) === source.readDoubleLE(offset + at.epoch) &&
        bytes.readUInt32LE(at.bodyLength) === length &&
        bytes.compare(
          source,
          offset + recordHeaderBytes,
          offset + recordHeaderBytes + length,
          recordHeaderBytes,
          recordHeaderBytes + length,
        ) === 0;
      if (same) answer.settle(index, outcome.appended, bytes.readDoubleLE(at.position));
      else answer.settle(index, outcome.conflict, entry.committed);
    } catch (error) {
      answer.settle(index, outcome.ambiguous, 0, (error as Error).message);
    }
  }
}
