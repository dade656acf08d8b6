import { Envelope } from '../proto/generated/node/v1/record.ts';
import { splitRecord } from '../runtime/activation/record.ts';
import type { LogRecord } from '../runtime/log/event-log.ts';

/** When a record's events happened, whatever their types are; undefined for bytes that are no events. */
export const timeOfFirst = (record: LogRecord): number | undefined => timeOf(record, 0);
export const timeOfLast = (record: LogRecord): number | undefined => timeOf(record, -1);

function timeOf(record: LogRecord, index: number): number | undefined {
  try {
    const event = splitRecord(record.bytes).events.at(index);
    return event === undefined ? undefined : Envelope.decode(event).occurredAt;
  } catch {
    return undefined;
  }
}
