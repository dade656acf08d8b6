/**
 * The log as nodes and gateways see it: EventLog, Feed and PageStore over one Unix-socket link to the log process. Owns the
 * requests and subscriptions under way and sends them again after a break (all but appends can be repeated freely; those
 * are settled in append-lane.ts). A log process that is killed and restarted costs a wait, not an error.
 */
import { type Position, type Slot, type StreamId, slotCount, type Version } from '../../../proto/ids.ts';
import { type Clock, systemClock } from '../../kernel/clock.ts';
import { type Random, systemRandom } from '../../kernel/random.ts';
import { type Cancel, systemTimers, type Timers } from '../../kernel/timer.ts';
import { type Sockets, systemSockets } from '../../link/sockets.ts';
import type {
  AppendOutcome,
  AppendPacing,
  EventLog,
  ReadPage,
  SlotPage,
  SlotWriter,
  StreamWriter,
} from '../event-log.ts';
import { FencedError, LogDamagedError, LogUnavailableError, sharedKinds } from '../event-log.ts';
import type { Feed, FeedListener, Subscription } from '../feed.ts';
import type { PageStore, StoredPage } from '../page-store.ts';
import { AppendLane } from './append-lane.ts';
import { ClientLink, type LinkEvents, type LinkState } from './client-link.ts';
import { readRecords } from './record.ts';
import { Subscriptions } from './subscriptions.ts';
import { BodyReader, BodyWriter, logFrame, op, pageBytesMax, readBytesDefault, status } from './wire.ts';

/** How long calls wait for a log process that is away. */
const patienceMsDefault = 5_000;
/** Shortest, and as a part of the patience: an idle process should sleep. */
const patienceTickMs = 50;
const patienceTicks = 20;
/** Requests on the way at once; more wait here. */
const requestsFlyingMax = 64;
const requestsWaitingMax = 20_000;
const requestBytesMax = 128 * 1024 * 1024;

export interface EmbeddedLogOptions {
  readonly socketPath: string;
  readonly clock?: Clock;
  readonly timers?: Timers;
  readonly random?: Random;
  readonly patienceMs?: number;
  readonly sockets?: Sockets;
}

interface Request {
  readonly code: number;
  readonly body: BodyWriter;
  readonly slot: Slot | undefined;
  /** Called in the very turn in which the answer is read, before any frame behind it. */
  resolve(body: BodyReader): void;
  reject(error: Error): void;
}

export class EmbeddedLog implements EventLog, Feed, PageStore {
  readonly #link: ClientLink;
  readonly #lane: AppendLane;
  readonly #subscriptions: Subscriptions;
  readonly #flying = new Map<number, Request>();
  #waiting: Request[] = [];
  #requestBytes = 0;
  #number = 0;
  readonly #patienceMs: number;
  readonly #cancelPatience: Cancel;
  #patient = true;

  /** Begins to connect; calls wait for the log, so nobody has to wait for the constructor. */
  constructor(options: EmbeddedLogOptions) {
    const { socketPath, clock = systemClock, timers = systemTimers, random = systemRandom, sockets } = options;
    this.#patienceMs = options.patienceMs ?? patienceMsDefault;
    this.#lane = new AppendLane(
      (bytes) => {
        this.#link.asking();
        this.#link.send(bytes);
      },
      (run) => timers.soon(run),
    );
    this.#subscriptions = new Subscriptions((code, body, resolve, reject) =>
      this.#request({ code, body, slot: undefined, resolve, reject }),
    );
    const events: LinkEvents = {
      up: (bodyBytesMax) => this.#up(bodyBytesMax),
      down: () => this.#lane.down(),
      frame: (type, payload) => this.#frame(type, payload),
    };
    this.#link = new ClientLink(socketPath, clock, timers, random, events, sockets ?? systemSockets);
    const tickMs = Math.max(patienceTickMs, this.#patienceMs / patienceTicks);
    this.#cancelPatience = timers.every(tickMs, () => this.#checkPatience());
  }

  /** Resolves once the log serves; rejects with {@link LogUnavailableError} when it stays away. */
  static async connect(options: EmbeddedLogOptions): Promise<EmbeddedLog> {
    const log = new EmbeddedLog(options);
    try {
      await log.head({ kind: 'log', id: 0 });
      return log;
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  get pacing(): AppendPacing {
    return this.#lane;
  }

  get state(): LinkState {
    return this.#link.state;
  }

  /** Monotonic time at which anything was last heard from the log; minus infinity before the first. */
  get lastHeardMs(): number {
    return this.#link.lastHeardMs;
  }

  async take(slot: Slot, epoch: number): Promise<SlotWriter> {
    await this.#ask(op.take, new BodyWriter().u32(slot).f64(epoch), slot);
    return {
      slot,
      epoch,
      append: (stream, expected, count, bytes) => this.#append(stream, expected, count, epoch, bytes),
    };
  }

  shared(stream: StreamId): StreamWriter {
    if (!sharedKinds.includes(stream.kind))
      throw new RangeError(`streams of kind "${stream.kind}" have an owner: take the slot`);
    return { stream, append: (expected, count, bytes) => this.#append(stream, expected, count, 0, bytes) };
  }

  #append(
    stream: StreamId,
    expected: Version,
    count: number,
    epoch: number,
    bytes: Uint8Array,
  ): Promise<AppendOutcome> {
    if (this.#link.state.kind === 'closed') {
      return Promise.resolve({ kind: 'refused', reason: 'busy', message: 'the log was closed here' });
    }
    return this.#lane.append(stream, expected, count, epoch, bytes);
  }

  async read(stream: StreamId, from: Version, bytesMax = readBytesDefault): Promise<ReadPage> {
    const body = await this.#ask(op.read, new BodyWriter().stream(stream).f64(from).u32(bytesMax));
    const head = body.f64() as Version;
    const oldest = body.f64() as Version;
    const next = body.f64();
    return { records: readRecords(body.rest()), next: next === 0 ? undefined : (next as Version), head, oldest };
  }

  async readSlot(slot: Slot, from: Position, bytesMax = readBytesDefault): Promise<SlotPage> {
    const body = await this.#ask(op.readSlot, new BodyWriter().u32(slot).f64(from).u32(bytesMax));
    const next = body.f64() as Position;
    const end = body.f64() as Position;
    const oldest = body.f64() as Position;
    return { records: readRecords(body.rest()), next, end, oldest };
  }

  async head(stream: StreamId): Promise<Version> {
    const body = await this.#ask(op.head, new BodyWriter().stream(stream));
    return body.f64() as Version;
  }

  async ends(): Promise<readonly Position[]> {
    const body = await this.#ask(op.ends, new BodyWriter());
    return Array.from({ length: slotCount }, () => body.f64() as Position);
  }

  async trim(slot: Slot, before: Position): Promise<Position> {
    const body = await this.#ask(op.trim, new BodyWriter().u32(slot).f64(before));
    return body.f64() as Position;
  }

  subscribe(stream: StreamId, listener: FeedListener): Promise<Subscription> {
    return this.#subscriptions.subscribe(stream, listener);
  }

  async load(stream: StreamId, pages: readonly number[]): Promise<readonly (StoredPage | undefined)[]> {
    const found: (StoredPage | undefined)[] = [];
    while (found.length < pages.length) {
      const request = new BodyWriter().stream(stream);
      const asked = pages.slice(found.length);
      for (const page of asked) request.u32(page);
      const body = await this.#ask(op.load, request);
      for (let i = 0; body.left > 0; i++) {
        if (body.u8() === 0) found.push(undefined);
        else found.push({ page: asked[i] as number, foldedTo: body.f64() as Version, bytes: body.bytes(body.u32()) });
      }
    }
    return found;
  }

  async save(stream: StreamId, pages: readonly StoredPage[]): Promise<void> {
    if (pages.length === 0) return;
    const request = new BodyWriter().stream(stream);
    let bytes = 0;
    for (const page of pages) {
      bytes += page.bytes.byteLength;
      if (bytes > pageBytesMax)
        throw new RangeError(`pages of over ${pageBytesMax} bytes in one save: save fewer at once`);
      request.u32(page.page).f64(page.foldedTo).u32(page.bytes.byteLength).bytes(page.bytes);
    }
    await this.#ask(op.save, request);
  }

  async drop(stream: StreamId, pages: readonly number[]): Promise<void> {
    const request = new BodyWriter().stream(stream);
    for (const page of pages) request.u32(page);
    await this.#ask(op.drop, request);
  }

  #ask(code: number, body: BodyWriter, slot?: Slot): Promise<BodyReader> {
    return new Promise((resolve, reject) => this.#request({ code, body, slot, resolve, reject }));
  }

  #request(request: Request): void {
    if (this.#link.state.kind === 'closed') request.reject(new LogUnavailableError('the log was closed here'));
    else if (!this.#patient) request.reject(this.#awayError());
    else if (this.#waiting.length >= requestsWaitingMax || this.#requestBytes + request.body.length > requestBytesMax) {
      const message = `${this.#waiting.length} requests to the log wait (at most ${requestsWaitingMax}, ${requestBytesMax} bytes): try again soon`;
      request.reject(new LogUnavailableError(message));
    } else {
      this.#requestBytes += request.body.length;
      this.#waiting.push(request);
      this.#sendWaiting();
    }
  }

  #sendWaiting(): void {
    while (this.#link.state.kind === 'up' && this.#flying.size < requestsFlyingMax && this.#waiting.length > 0) {
      const request = this.#waiting.shift() as Request;
      this.#number = (this.#number + 1) >>> 0;
      this.#flying.set(this.#number, request);
      this.#link.asking();
      this.#link.send(request.body.reply(logFrame.request, this.#number, request.code));
    }
  }

  #up(bodyBytesMax: number): void {
    this.#patient = true;
    // Unanswered requests of the broken link come first, in their order: all of them may be repeated.
    this.#waiting = [...this.#flying.values(), ...this.#waiting];
    this.#flying.clear();
    this.#subscriptions.up();
    this.#lane.up(bodyBytesMax);
    this.#sendWaiting();
  }

  #frame(type: number, payload: Buffer): void {
    if (type === logFrame.appended) this.#lane.answered(payload);
    else if (type === logFrame.reply) this.#reply(payload);
    else if (type === logFrame.records) this.#subscriptions.records(Buffer.from(payload));
    else if (type === logFrame.heads) this.#subscriptions.heads(new BodyReader(payload));
    else throw new RangeError(`a frame of type ${type}`);
  }

  #reply(payload: Buffer): void {
    const number = payload.readUInt32LE(0);
    const request = this.#flying.get(number);
    if (request === undefined) return;
    this.#flying.delete(number);
    this.#requestBytes -= request.body.length;
    const body = new BodyReader(Buffer.from(payload.subarray(5)));
    const code = payload[4];
    if (code === status.ok) request.resolve(body);
    else if (code === status.fenced) request.reject(new FencedError(request.slot ?? (0 as Slot), body.f64()));
    else if (code === status.damaged) request.reject(new LogDamagedError(body.text()));
    else if (code === status.invalid) request.reject(new RangeError(body.text()));
    else request.reject(new LogUnavailableError(body.text()));
    this.#sendWaiting();
  }

  #awayError(): LogUnavailableError {
    return new LogUnavailableError(`the log process has been away for ${Math.round(this.#link.awayMs())} ms`);
  }

  #checkPatience(): void {
    if (!this.#patient || this.#link.awayMs() < this.#patienceMs) return;
    this.#patient = false;
    this.#giveUp(this.#awayError());
  }

  #giveUp(error: LogUnavailableError): void {
    this.#lane.giveUp(error.message);
    const gone = [...this.#flying.values(), ...this.#waiting];
    this.#flying.clear();
    this.#waiting = [];
    this.#requestBytes = 0;
    for (const request of gone) request.reject(error);
  }

  /** Appends that are still unanswered become ambiguous; flush before closing. */
  async close(): Promise<void> {
    this.#link.close();
    this.#cancelPatience();
    this.#giveUp(new LogUnavailableError('the log was closed here'));
  }
}

/** For {@link import('../contract-fixture.ts').LogFixture.opener}: other processes open the log by module and arguments. */
export const open = (args: unknown): Promise<EmbeddedLog> => EmbeddedLog.connect(args as EmbeddedLogOptions);
