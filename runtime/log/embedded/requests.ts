/** What clients ask of the log process besides appending: takes, reads, heads, subscriptions and pages. One function an operation. */
import type { StreamId, Version } from '../../../proto/ids.ts';
import { slotCount } from '../../../proto/ids.ts';
import { FencedError, LogDamagedError, LogUnavailableError } from '../event-log.ts';
import type { StoredPage } from '../page-store.ts';
import type { CommitLane, Settled } from './commit-lane.ts';
import type { Damage } from './damage.ts';
import type { FeedLink } from './feed-link.ts';
import type { IndexStore } from './index-store.ts';
import type { Pages } from './pages.ts';
import { type Reader, readsWaitingMax, TrimmedMeanwhile } from './reader.ts';
import { recordHeaderBytes, recordType, writeRecord } from './record.ts';
import type { Trim } from './trim.ts';
import { BodyReader, BodyWriter, logFrame, op, pageBytesMax, readBytesMax, status } from './wire.ts';

/** Requests of one link that are not answered yet; clients keep far below. */
const requestsUnansweredMax = 1024;
/** Loads answer with at least one page and stop here; the client asks again for the rest. */
const loadBytesMax = pageBytesMax / 2;

export class Requests {
  constructor(
    private readonly lane: CommitLane,
    private readonly index: IndexStore,
    private readonly reader: Reader,
    private readonly damage: Damage,
    private readonly pages: Pages,
    private readonly trim: Trim,
  ) {}

  frame(link: FeedLink, payload: Buffer): void {
    const number = payload.readUInt32LE(0);
    const code = payload.readUInt8(4);
    if (link.requests >= requestsUnansweredMax) {
      const message = `over ${requestsUnansweredMax} unanswered requests on one link: wait for answers`;
      this.#fail(link, number, new LogUnavailableError(message));
      return;
    }
    link.requests++;
    const answer = this.#answer(link, code, new BodyReader(payload.subarray(5)));
    if (answer instanceof BodyWriter) {
      link.requests--;
      this.#ok(link, number, answer);
      return;
    }
    answer.then(
      (body) => {
        link.requests--;
        this.#ok(link, number, body);
      },
      (error: Error) => {
        link.requests--;
        this.#fail(link, number, error);
      },
    );
  }

  #ok(link: FeedLink, number: number, body: BodyWriter): void {
    link.send(body.reply(logFrame.reply, number, status.ok));
  }

  #fail(link: FeedLink, number: number, error: Error): void {
    const body = new BodyWriter();
    let code: number = status.unavailable;
    if (error instanceof FencedError) {
      code = status.fenced;
      body.f64(error.epoch);
    } else {
      if (error instanceof LogDamagedError) code = status.damaged;
      else if (error instanceof RangeError) code = status.invalid;
      body.text(error.message);
    }
    link.send(body.reply(logFrame.reply, number, code));
  }

  #answer(link: FeedLink, code: number, body: BodyReader): BodyWriter | Promise<BodyWriter> {
    try {
      switch (code) {
        case op.take:
          return this.#take(body.u32(), body.f64());
        case op.read:
          return this.#read(body.stream(), body.f64(), body.u32());
        case op.readSlot:
          return this.#readSlot(body.u32(), body.f64(), body.u32());
        case op.head:
          return this.#head(body);
        case op.subscribe:
          return this.#subscribe(link, body);
        case op.unsubscribe:
          return this.#unsubscribe(link, body);
        case op.load:
          return this.#load(body);
        case op.save:
          return this.#save(body);
        case op.drop:
          return this.#drop(body);
        case op.ends:
          return this.#ends();
        case op.trim:
          return this.#trim(body.u32(), body.f64());
        default:
          throw new RangeError(`operation ${code} is unknown: the client is newer than the log process`);
      }
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  #take(slot: number, epoch: number): Promise<BodyWriter> {
    checkSlot(slot);
    if (!Number.isSafeInteger(epoch) || epoch < 0) throw new RangeError(`epoch ${epoch}: an integer from 0 to 2^53-1`);
    const held = this.lane.epochs[slot] as number;
    if (epoch < held) throw new FencedError(slot as never, held);
    if (this.lane.trouble !== undefined) throw new LogUnavailableError(this.lane.trouble);
    // Fences from here on, answers when it is durable. Taking again under the same epoch writes nothing but waits all the same.
    this.lane.epochs[slot] = epoch;
    const source = Buffer.alloc(recordHeaderBytes);
    writeRecord(
      source,
      0,
      { type: recordType.take, kind: 'log', id: slot, slot, version: 0, count: 0, epoch },
      new Uint8Array(0),
    );
    const writes = epoch > held;
    return new Promise((resolve, reject) => {
      this.lane.submit({
        entry: undefined,
        slot,
        version: 0,
        count: 0,
        source: writes ? source : undefined,
        offset: 0,
        length: writes ? source.length : 0,
        position: 0,
        settle(settled: Settled) {
          if (settled.kind === 'committed') resolve(new BodyWriter());
          else reject(new LogUnavailableError(settled.message));
        },
      });
    });
  }

  #ready(): void {
    if (this.reader.waiting >= readsWaitingMax)
      throw new LogUnavailableError(`over ${readsWaitingMax} reads are waiting: try again soon`);
  }

  async #read(stream: StreamId, wanted: number, wantedBytes: number): Promise<BodyWriter> {
    const bytesMax = Math.min(Math.max(1, wantedBytes), readBytesMax);
    const { streams } = this.index;
    const entry = streams.entry(stream.kind, stream.id);
    const head = entry.committed;
    const oldest = streams.oldest(entry, this.trim.below(entry.slot));
    const from = Math.max(wanted, oldest);
    const out = new BodyWriter();
    const damaged = this.damage.any ? this.damage.ofStream(entry) : undefined;
    if (from > head) {
      if (damaged !== undefined) throw new LogDamagedError(damaged);
      return out.f64(head).f64(oldest).f64(0);
    }
    this.#ready();
    try {
      const { bytes, last } = await this.reader.stream(entry, from, head, bytesMax);
      // A stream whose end may be in a hole is served as far as it is known, and says so where that ends.
      const more = last < head || damaged !== undefined;
      return out
        .f64(head)
        .f64(oldest)
        .f64(more ? last + 1 : 0)
        .bytes(bytes);
    } catch (error) {
      if (!(error instanceof TrimmedMeanwhile)) throw error;
      return this.#read(stream, wanted, wantedBytes);
    }
  }

  async #readSlot(slot: number, wanted: number, wantedBytes: number): Promise<BodyWriter> {
    checkSlot(slot);
    const end = this.index.slots.end(slot);
    const oldest = this.trim.oldest(slot);
    const out = new BodyWriter();
    if (wanted >= end && !this.damage.any) return out.f64(wanted).f64(wanted).f64(oldest);
    this.#ready();
    const from = Math.max(wanted, this.trim.below(slot));
    try {
      const { bytes, last } = await this.reader.slot(slot, from, Math.min(Math.max(1, wantedBytes), readBytesMax));
      const next = last === 0 ? Math.max(wanted, end) : last;
      return out.f64(next).f64(Math.max(end, next)).f64(oldest).bytes(bytes);
    } catch (error) {
      if (!(error instanceof TrimmedMeanwhile)) throw error;
      return this.#readSlot(slot, wanted, wantedBytes);
    }
  }

  async #trim(slot: number, before: number): Promise<BodyWriter> {
    checkSlot(slot);
    if (!Number.isSafeInteger(before) || before < 0) throw new RangeError(`position ${before}: an integer from 0`);
    return new BodyWriter().f64(await this.trim.trim(slot, before));
  }

  #ends(): BodyWriter {
    const out = new BodyWriter();
    for (let slot = 0; slot < slotCount; slot++) out.f64(this.index.slots.end(slot));
    return out;
  }

  #head(body: BodyReader): BodyWriter {
    const { kind, id } = body.stream();
    const entry = this.index.streams.entry(kind, id);
    const damaged = this.damage.any ? this.damage.ofStream(entry) : undefined;
    if (damaged !== undefined) throw new LogDamagedError(damaged);
    return new BodyWriter().f64(entry.committed);
  }

  /** Several at once after a broken link; the heads come in the same order. */
  #subscribe(link: FeedLink, body: BodyReader): BodyWriter {
    const out = new BodyWriter();
    while (body.left > 0) {
      const { kind, id } = body.stream();
      const entry = this.index.streams.entry(kind, id);
      link.subscribe(entry);
      out.f64(entry.committed);
    }
    return out;
  }

  #unsubscribe(link: FeedLink, body: BodyReader): BodyWriter {
    const { kind, id } = body.stream();
    link.unsubscribe(this.index.streams.entry(kind, id));
    return new BodyWriter();
  }

  #load(body: BodyReader): BodyWriter {
    const { kind, id } = body.stream();
    const out = new BodyWriter();
    let bytes = 0;
    while (body.left > 0 && bytes < loadBytesMax) {
      const page = this.pages.load(kind, id, body.u32());
      out.u8(page === undefined ? 0 : 1);
      if (page === undefined) continue;
      out.f64(page.foldedTo).u32(page.bytes.byteLength).bytes(page.bytes);
      bytes += page.bytes.byteLength;
    }
    return out;
  }

  async #save(body: BodyReader): Promise<BodyWriter> {
    const { kind, id } = body.stream();
    const pages: StoredPage[] = [];
    while (body.left > 0) {
      const page = body.u32();
      const foldedTo = body.f64() as Version;
      pages.push({ page, foldedTo, bytes: Buffer.from(body.bytes(body.u32())) });
    }
    await this.pages.save(kind, id, pages);
    return new BodyWriter();
  }

  async #drop(body: BodyReader): Promise<BodyWriter> {
    const { kind, id } = body.stream();
    const pages: number[] = [];
    while (body.left > 0) pages.push(body.u32());
    await this.pages.drop(kind, id, pages);
    return new BodyWriter();
  }
}

function checkSlot(slot: number): void {
  if (slot >= slotCount) throw new RangeError(`slot ${slot}: 0 to ${slotCount - 1}`);
}
