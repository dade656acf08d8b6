/** {@link EventReader} over the event log. How an event is shown to designers, the host says. */
import { Event } from '../../proto/generated/hunt/v1/event.ts';
import type { Version } from '../../proto/ids.ts';
import { decodeRecord } from '../../runtime/activation/record.ts';
import { expandVectors } from '../../runtime/activation/vector.ts';
import { type EventLog, LogDamagedError, type LogRecord } from '../../runtime/log/event-log.ts';
import type { EventPage, EventReader } from './ports.ts';

/** Bytes that one read of the log asks for. */
const readBytesMax = 512 * 1024;

export class LogEventReader implements EventReader {
  readonly #log: Pick<EventLog, 'read'>;
  readonly #show: EventReader['show'];

  constructor(log: Pick<EventLog, 'read'>, show: EventReader['show']) {
    this.#log = log;
    this.#show = show;
  }

  show(event: Event): Record<string, unknown> {
    return this.#show(event);
  }

  async read(huntId: number, from: number, limit: number, bytesMax: number): Promise<EventPage> {
    const stream = { kind: 'hunt', id: huntId };
    const events: Event[] = [];
    let bytes = 0;
    let at = (from + 1) as Version;
    for (;;) {
      const page = await this.#log.read(stream, at, Math.min(readBytesMax, bytesMax));
      if (at < page.oldest) return { events: [], head: page.head, oldest: page.oldest };
      for (const record of page.records) {
        for (const event of eventsOf(record)) {
          if (event.version > from && events.length < limit) events.push(event);
        }
        bytes += record.bytes.byteLength;
        if (events.length >= limit || bytes >= bytesMax) return { events, head: page.head, oldest: page.oldest };
      }
      if (page.next === undefined) return { events, head: page.head, oldest: page.oldest };
      at = page.next;
    }
  }
}

/** The record's events in order, each with its whole vector. Throws {@link LogDamagedError} for bytes that are none. */
export function eventsOf(record: LogRecord): readonly Event[] {
  try {
    const { events, owner } = decodeRecord(record.bytes, Event);
    return expandVectors(events, owner);
  } catch {
    throw new LogDamagedError(`the record at version ${record.version} of hunt ${record.stream.id} cannot be decoded`);
  }
}
