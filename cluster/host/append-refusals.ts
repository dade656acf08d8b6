/**
 * Whether the log refuses what this process appends. A log that is full is up and can be read: nothing else would tell an
 * operator why people wait.
 *
 * Owns: the last refusal. It counts until nothing was refused for a while; said once each time that it begins.
 */
import type { Clock } from '../../runtime/kernel/clock.ts';
import type { AppendRefusal } from '../../runtime/log/event-log.ts';
import type { Check } from './probe-http.ts';

type Reason = AppendRefusal['reason'];

/** Longer than clients wait before they send again. */
const countsMs = 5_000;
/** A record of its own fault, and a log that is away, are told elsewhere. */
const told: ReadonlySet<Reason> = new Set(['full', 'damaged']);

export interface RefusalJournal {
  warn(facts: object, sentence: string): void;
}

export class AppendRefusals {
  #last: { readonly at: number; readonly detail: string } | undefined;

  constructor(
    private readonly clock: Pick<Clock, 'monotonic'>,
    private readonly journal: RefusalJournal,
  ) {}

  note(reason: Reason, message: string): void {
    if (!told.has(reason)) return;
    const wasRefusing = this.#isRefusing;
    const detail = `${reason}: ${message}`;
    this.#last = { at: this.clock.monotonic(), detail };
    if (!wasRefusing) this.journal.warn({ reason, detail: message }, 'the log refuses appends: players wait');
  }

  get #isRefusing(): boolean {
    return this.#last !== undefined && this.clock.monotonic() - this.#last.at < countsMs;
  }

  check(): Check {
    return this.#isRefusing && this.#last !== undefined
      ? { name: 'appends', ok: false, detail: this.#last.detail }
      : { name: 'appends', ok: true };
  }
}
