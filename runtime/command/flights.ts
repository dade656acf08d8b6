import type { HeldRecord } from '../activation/recent-records.ts';
import type { AppendOutcome } from '../log/event-log.ts';

/** An append that was called and whose outcome was not acted on yet. */
export interface Flight extends HeldRecord {
  /** Monotonic. */
  readonly sentAt: number;
  outcome: AppendOutcome | undefined;
}

/**
 * The appends of one activation that are in flight, oldest first (I5: bounded in number and bytes). Outcomes are acted on
 * in the order of the appends, in whatever order they come.
 */
export class Flights {
  readonly #flights: Flight[] = [];
  #bytes = 0;

  constructor(
    readonly appendsMax: number,
    readonly bytesMax: number,
  ) {}

  get size(): number {
    return this.#flights.length;
  }
  get isFull(): boolean {
    return this.#flights.length >= this.appendsMax || this.#bytes >= this.bytesMax;
  }
  get first(): Flight | undefined {
    return this.#flights[0];
  }
  get all(): readonly Flight[] {
    return this.#flights;
  }
  get allAnswered(): boolean {
    return this.#flights.every((flight) => flight.outcome !== undefined);
  }

  /**
   * The log said of the oldest that it did not happen, and those behind it cannot have happened either: each expects the
   * version before it. Only after a conflict a rival's record may stand just where the next one expected ours (fencing
   * forbids that, but need not be relied on here). What the end of an activation is called says nothing of this: it may end
   * for what it heard elsewhere, while the log has its append already.
   */
  get areSurelyUndone(): boolean {
    const said = this.first?.outcome?.kind;
    return said === 'fenced' || said === 'refused' || (said === 'conflict' && this.size === 1);
  }

  add(flight: Flight): void {
    this.#flights.push(flight);
    this.#bytes += flight.bytes.byteLength;
  }

  land(): Flight | undefined {
    const flight = this.#flights.shift();
    this.#bytes -= flight?.bytes.byteLength ?? 0;
    return flight;
  }
}
