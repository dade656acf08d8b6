import type { ErrorCode } from '../../proto/error-code.ts';

/**
 * I1, log first: whatever an activation answers waits here until the last event that it could have observed is durable.
 *
 * Owns: the answers that wait, in the order of the versions that they observed. Does not own what durable means: the
 * activation tells it.
 */
export interface Answer {
  /** Whether the command's own events are among those that wait to become durable. */
  readonly effect: boolean;
  release(): void;
  fail(code: ErrorCode, message: string): void;
}

export class OutputGate {
  #tickets: { readonly version: number; readonly answers: readonly Answer[] }[] = [];

  get isEmpty(): boolean {
    return this.#tickets.length === 0;
  }

  /** Holds `answers`, which observed `version`; those of a later call never observed less. */
  hold(version: number, answers: readonly Answer[]): void {
    if (answers.length > 0) this.#tickets.push({ version, answers });
  }

  /** Lets out everything that observed nothing above `durable`. */
  release(durable: number): void {
    let out = 0;
    for (; out < this.#tickets.length; out++) {
      const ticket = this.#tickets[out];
      if (ticket === undefined || ticket.version > durable) break;
      for (const answer of ticket.answers) answer.release();
    }
    if (out > 0) this.#tickets.splice(0, out);
  }

  /** The append that ended at `version` was refused for itself: the commands with events in it are told so. */
  failAt(version: number, code: ErrorCode, message: string): void {
    const ticket = this.#tickets.find((held) => held.version === version);
    if (ticket === undefined) return;
    this.#tickets.splice(this.#tickets.indexOf(ticket), 1, {
      version,
      answers: ticket.answers.filter((answer) => !answer.effect),
    });
    for (const answer of ticket.answers) if (answer.effect) answer.fail(code, message);
  }

  /**
   * The activation ended: nothing that waits may leave. `doubt`: events of commands with effect may be in the log or not.
   * What is `spared` is told nothing: somebody else will answer it.
   */
  fail(code: ErrorCode, message: string, doubt: boolean, spared: (answer: Answer) => boolean = () => false): void {
    const tickets = this.#tickets;
    this.#tickets = [];
    for (const { answers } of tickets) {
      for (const answer of answers) {
        if (spared(answer)) continue;
        if (doubt && answer.effect)
          answer.fail('UNAVAILABLE', 'the outcome is not known: send it again with the same seq');
        else answer.fail(code, message);
      }
    }
  }
}
