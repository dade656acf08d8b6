/**
 * What a client listens to. Owns the listeners by stream; the log process knows only which streams this link wants. After a
 * break all streams are subscribed again in one request, and each listener is told the head that was found.
 */
import type { StreamId, Version } from '../../../proto/ids.ts';
import type { FeedListener, Subscription } from '../feed.ts';
import { at, kindAt, readRecord, recordBytes } from './record.ts';
import { type BodyReader, BodyWriter, op } from './wire.ts';

interface Channel {
  readonly stream: StreamId;
  readonly listeners: Set<FeedListener>;
  /** Subscriptions that the log has not answered yet: until then nobody unsubscribes the stream. */
  pending: number;
}

/** `resolve` is called in the very turn in which the answer is read: what comes behind it is not missed. */
type Ask = (
  code: number,
  body: BodyWriter,
  resolve: (body: BodyReader) => void,
  reject: (error: Error) => void,
) => void;

export class Subscriptions {
  readonly #kinds = new Map<string, Map<number, Channel>>();

  constructor(private readonly ask: Ask) {}

  subscribe(stream: StreamId, listener: FeedListener): Promise<Subscription> {
    // Its own object, so that one listener may subscribe twice.
    const own: FeedListener = {
      record: (record) => listener.record(record),
      head: (version) => listener.head(version),
    };
    return new Promise((resolve, reject) => {
      const request = new BodyWriter().stream(stream);
      const channel = this.#channel(stream);
      channel.pending++;
      this.ask(
        op.subscribe,
        request,
        (body) => {
          channel.pending--;
          channel.listeners.add(own);
          resolve({ head: body.f64() as Version, close: () => this.#leave(channel, own) });
        },
        (error) => {
          channel.pending--;
          this.#tidy(channel);
          reject(error);
        },
      );
    });
  }

  #channel(stream: StreamId): Channel {
    let ids = this.#kinds.get(stream.kind);
    if (ids === undefined) {
      ids = new Map();
      this.#kinds.set(stream.kind, ids);
    }
    let channel = ids.get(stream.id);
    if (channel === undefined) {
      channel = { stream, listeners: new Set(), pending: 0 };
      ids.set(stream.id, channel);
    }
    return channel;
  }

  #leave(channel: Channel, listener: FeedListener): void {
    if (channel.listeners.delete(listener)) this.#tidy(channel);
  }

  #tidy(channel: Channel): void {
    if (channel.listeners.size > 0 || channel.pending > 0) return;
    this.#kinds.get(channel.stream.kind)?.delete(channel.stream.id);
    const ignore = (): void => undefined;
    this.ask(op.unsubscribe, new BodyWriter().stream(channel.stream), ignore, ignore);
  }

  /** `bytes` are the listener's to keep. */
  records(bytes: Buffer): void {
    for (let offset = 0; offset < bytes.length; offset += recordBytes(bytes.readUInt32LE(offset + at.bodyLength))) {
      const channel = this.#kinds.get(kindAt(bytes, offset))?.get(bytes.readDoubleLE(offset + at.id));
      if (channel === undefined) continue;
      const record = readRecord(bytes, offset);
      for (const listener of channel.listeners) listener.record(record);
    }
  }

  heads(body: BodyReader): void {
    while (body.left > 0) {
      const { kind, id } = body.stream();
      const head = body.f64() as Version;
      for (const listener of this.#kinds.get(kind)?.get(id)?.listeners ?? []) listener.head(head);
    }
  }

  /** A new link: everything is subscribed again. */
  up(): void {
    const channels: Channel[] = [];
    const request = new BodyWriter();
    for (const ids of this.#kinds.values()) {
      for (const channel of ids.values()) {
        channels.push(channel);
        request.stream(channel.stream);
      }
    }
    if (channels.length === 0) return;
    this.ask(
      op.subscribe,
      request,
      (body) => {
        for (const channel of channels) {
          const head = body.f64() as Version;
          for (const listener of channel.listeners) listener.head(head);
        }
      },
      // The link broke again: the next one subscribes again.
      () => undefined,
    );
  }
}
