import type { LogRecord } from '../../runtime/log/event-log.ts';

/** An event as every player may see it (PROTOCOL.md): no private field is in `body` (I9). */
export interface PublicEvent {
  readonly version: number;
  /** Whom it is about; `@system` and `@admin` concern everybody. */
  readonly player: string;
  readonly team?: string;
  readonly type: string;
  /** What the socket carries, `version` and `player` included. */
  readonly body: object;
}

/** Takes a log record apart. The actors know how; the host injects it. Throws for a record that it cannot read. */
export interface EventReader {
  decode(record: LogRecord): readonly PublicEvent[];
}
