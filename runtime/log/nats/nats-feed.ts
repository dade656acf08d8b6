/**
 * Committed records, live: what the log's stream republishes, one subscription a stream. Never the subjects that appends
 * go to: a refused publish is delivered there all the same (I1). Owns the listeners, and for each stream how far it was
 * delivered. A version that did not come is read from the log before what lies behind it is delivered; after a break of
 * the link every stream's head is asked again and the listeners are told.
 */
import type { StreamId, Version } from '../../../proto/ids.ts';
import type { Timers } from '../../kernel/timer.ts';
import { LogDamagedError, type LogRecord } from '../event-log.ts';
import type { FeedListener, Subscription } from '../feed.ts';
import type { Landmarks } from './landmarks.ts';
import type { Names } from './names.ts';
import { headerBlock, type NatsLink } from './nats-link.ts';
import { headerValue } from './record-header.ts';
import { headOf, logRecord, recordOf, type Stored, type StoredMessages } from './stored-messages.ts';
import type { StreamReader } from './stream-reader.ts';

/** Between two tries to read while the log does not answer. */
const retryMs = 200;
/** Between the servers of a cluster a message can get lost without a break of this link: each head is asked again so often. */
const sweepMs = 10_000;
const sweepTicks = 50;

interface Listening {
  readonly listener: FeedListener;
  /** Up to here it knows already. */
  readonly floor: number;
}

interface Channel {
  readonly stream: StreamId;
  readonly subject: string;
  readonly listening: Set<Listening>;
  readonly unsubscribe: () => void;
  /** Subscriptions whose head is being asked. */
  pending: number;
  /** Delivered up to here; undefined until the head is known, at the start and after a break. */
  upto: number | undefined;
  /** The highest version heard of. */
  told: number;
  isFilling: boolean;
}

export interface NatsFeedParts {
  readonly link: NatsLink;
  readonly names: Names;
  readonly messages: StoredMessages;
  readonly reader: Pick<StreamReader, 'read'>;
  readonly landmarks: Landmarks;
  readonly timers: Timers;
}

export class NatsFeed {
  readonly #channels = new Map<string, Channel>();
  /** Channels whose head is to be asked in this sweep. */
  #sweeping: Channel[] = [];
  #sweptMs = 0;

  constructor(private readonly parts: NatsFeedParts) {
    parts.link.listen({ down: () => this.#down(), up: () => this.#up(), tick: () => this.#sweep() });
  }

  subscribe(stream: StreamId, listener: FeedListener): Promise<Subscription> {
    const channel = this.#channel(stream);
    channel.pending++;
    return new Promise((resolve, reject) => {
      this.parts.messages.putLast(
        channel.subject,
        (stored) => {
          channel.pending--;
          // A record may overtake the answer that was found before it: who listens already has had it.
          const head = Math.max(this.#headFound(channel, stored), channel.upto ?? 0) as Version;
          const listening = { listener, floor: head };
          channel.listening.add(listening);
          resolve({ head, close: () => this.#leave(channel, listening) });
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
    const { link, names } = this.parts;
    const subject = names.record(stream);
    let channel = this.#channels.get(subject);
    if (channel === undefined) {
      const opened: Channel = {
        stream,
        subject,
        listening: new Set(),
        pending: 0,
        upto: undefined,
        told: 0,
        isFilling: false,
        unsubscribe: link.subscribe(names.live(stream), (message) => {
          const header = headerBlock(message);
          const seq = Number(headerValue(header, 'Nats-Sequence'));
          const { data } = message;
          this.#came(opened, {
            seq,
            subject,
            header,
            body: Buffer.from(data.buffer, data.byteOffset, data.byteLength),
          });
        }),
      };
      this.#channels.set(subject, opened);
      channel = opened;
    }
    return channel;
  }

  #leave(channel: Channel, listening: Listening): void {
    if (channel.listening.delete(listening)) this.#tidy(channel);
  }

  #tidy(channel: Channel): void {
    if (channel.listening.size > 0 || channel.pending > 0) return;
    channel.unsubscribe();
    this.#channels.delete(channel.subject);
  }

  /** What was republished before the head was asked has come before this; what came since is told of at least. */
  #headFound(channel: Channel, stored: Stored | undefined): Version {
    const last = stored && recordOf(stored);
    const head = last === undefined ? (0 as Version) : headOf(last);
    channel.told = Math.max(channel.told, head);
    if (channel.upto === undefined) {
      channel.upto = head;
      for (const { listener } of channel.listening) listener.head(head);
      if (channel.told > head) this.#fill(channel);
    }
    return head;
  }

  #came(channel: Channel, stored: Stored): void {
    const record = recordOf(stored);
    // The head that a trim has left tells nothing new.
    if (record === undefined || record.count === 0) return;
    this.parts.landmarks.saw(channel.subject, record.version, record.seq);
    channel.told = Math.max(channel.told, headOf(record));
    if (channel.upto === undefined || channel.isFilling || headOf(record) <= channel.upto) return;
    if (record.version === channel.upto + 1) this.#deliver(channel, logRecord(record));
    else this.#fill(channel);
  }

  #deliver(channel: Channel, record: LogRecord): void {
    const last = record.version + record.count - 1;
    if (channel.upto === undefined || last <= channel.upto) return;
    channel.upto = last;
    for (const { listener, floor } of channel.listening) if (last > floor) listener.record(record);
  }

  /** Reads what is missing; what comes meanwhile is read too. */
  #fill(channel: Channel): void {
    if (channel.isFilling) return;
    channel.isFilling = true;
    void this.#readOn(channel).finally(() => {
      channel.isFilling = false;
      if (channel.upto !== undefined && channel.told > channel.upto && this.#isOpen(channel)) this.#fill(channel);
    });
  }

  async #readOn(channel: Channel): Promise<void> {
    const { reader, timers } = this.parts;
    while (this.#isOpen(channel) && channel.upto !== undefined && channel.upto < channel.told) {
      const before: number = channel.upto;
      try {
        const page = await reader.read(channel.stream, (before + 1) as Version);
        // Trimmed meanwhile: the listeners see it when they read.
        if (page.oldest > before + 1) this.#tell(channel, page.head);
        for (const record of page.records) this.#deliver(channel, record);
      } catch (error) {
        // Who reads the gap is told of the damage.
        if (error instanceof LogDamagedError) this.#tell(channel, channel.told as Version);
      }
      if (channel.upto === before) await new Promise<void>((resolve) => timers.after(retryMs, resolve));
    }
  }

  #isOpen(channel: Channel): boolean {
    return this.#channels.get(channel.subject) === channel;
  }

  #tell(channel: Channel, head: Version): void {
    if (channel.upto !== undefined) channel.upto = Math.max(channel.upto, head);
    for (const { listener } of channel.listening) listener.head(head);
  }

  #down(): void {
    for (const channel of this.#channels.values()) channel.upto = undefined;
  }

  /** The subscriptions are in place again: what was missed lies below the heads that are asked now. */
  #up(): void {
    for (const channel of this.#channels.values()) if (channel.listening.size > 0) this.#resume(channel);
  }

  #resume(channel: Channel): void {
    this.parts.messages.putLast(
      channel.subject,
      (stored) => {
        if (this.#isOpen(channel)) this.#headFound(channel, stored);
      },
      () => {
        // Down again: the next `up` resumes. Else the log does not answer at present.
        this.parts.timers.after(retryMs, () => {
          if (this.parts.link.isUp && this.#isOpen(channel) && channel.upto === undefined) this.#resume(channel);
        });
      },
    );
  }

  /** A few at each tick, all of them once in {@link sweepMs}. */
  #sweep(): void {
    const { link, messages } = this.parts;
    if (!link.isUp) return;
    if (this.#sweeping.length === 0) {
      if (link.awakeMs - this.#sweptMs < sweepMs) return;
      this.#sweptMs = link.awakeMs;
      this.#sweeping = [...this.#channels.values()];
    }
    for (const channel of this.#sweeping.splice(-Math.ceil(this.#channels.size / sweepTicks))) {
      messages.putLast(
        channel.subject,
        (stored) => {
          if (!this.#isOpen(channel)) return;
          this.#headFound(channel, stored);
          if (channel.upto !== undefined && channel.told > channel.upto) this.#fill(channel);
        },
        () => undefined,
      );
    }
  }

  close(): void {
    for (const channel of this.#channels.values()) channel.unsubscribe();
    this.#channels.clear();
  }
}
