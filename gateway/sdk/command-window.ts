/**
 * A player's unanswered commands in one hunt.
 *
 * Owns: the seq counter and the window; which commands are on the wire, waiting to be sent again, or waiting for room.
 * Owns not: the socket; `transmit` is given. Keeps I4 from the client's side: a seq stands for one action until its final
 * answer, and unanswered seqs lie within {@link windowSeqs} of each other, so that no resend can fall out of the server's memory.
 */
import { Backoff } from './backoff.ts';
import { HuntError } from './hunt-error.ts';
import type { Ack, Action, Nack } from './messages.ts';

export const windowSeqs = 16;
/** Commands that wait for room in the window; beyond, `act` is refused at once. */
export const waitingCommandsMax = 256;
/** A command without any answer is sent again after this: the server answers every one, so its answer was lost. */
export const unansweredResendMs = 15_000;
const retryBaseMs = 100;
const retryCapMs = 5_000;
/** Another device of the player may take our seq first; so often we take a new one before giving the refusal to the caller. */
const seqMovesMax = 8;

interface Command {
  readonly action: Action;
  readonly resolve: (reply: Ack | Nack) => void;
  readonly reject: (error: HuntError) => void;
  readonly backoff: Backoff;
  seq: number;
  /** How often sent under the present seq. */
  sent: number;
  sentAt: number;
  moves: number;
  retry: ReturnType<typeof setTimeout> | undefined;
}

export class CommandWindow {
  #highest = 0;
  #known = false;
  #open = new Map<number, Command>();
  #waiting: Command[] = [];

  constructor(
    readonly random: () => number,
    /** Sends if the line is up; returns whether it was. */
    readonly transmit: (seq: number, action: Action) => boolean,
  ) {}

  /** The highest seq used, by us or, as far as we were told, by the player's other devices. */
  get highest(): number {
    return this.#highest;
  }
  get unanswered(): number {
    return this.#open.size + this.#waiting.length;
  }

  /** The server's `last_seq` as it becomes known; nothing is sent before the first one. */
  learn(lastSeq: number): void {
    this.#highest = Math.max(this.#highest, lastSeq);
    this.#known = true;
    this.#admit();
  }

  act(action: Action): Promise<Ack | Nack> {
    if (this.#waiting.length >= waitingCommandsMax) {
      const message = `${waitingCommandsMax} commands wait for an answer: act again when some are answered`;
      return Promise.reject(new HuntError('BUSY', message, { retryable: true, retryMs: 1_000 }));
    }
    return new Promise((resolve, reject) => {
      const backoff = new Backoff(retryBaseMs, retryCapMs, this.random);
      this.#waiting.push({ action, resolve, reject, backoff, seq: 0, sent: 0, sentAt: 0, moves: 0, retry: undefined });
      this.#admit();
    });
  }

  /** After a reconnect: everything unanswered again, lowest seq first, under the seqs that it has. */
  resend(): void {
    for (const command of [...this.#open.values()].sort((a, b) => a.seq - b.seq)) this.#send(command);
    this.#admit();
  }

  /** What has had no answer for too long goes out once more. */
  resendStale(): void {
    const before = Date.now() - unansweredResendMs;
    for (const command of this.#open.values())
      if (command.retry === undefined && command.sentAt < before) this.#send(command);
  }

  reply(reply: Ack | Nack): void {
    const command = this.#open.get(reply.seq);
    if (command === undefined) return; // The answer to an earlier copy of a command that is settled by now.
    if (reply.t === 'nack') {
      if (reply.retryable) {
        this.#later(command, reply.retry_ms);
        return;
      }
      if (this.#takenByAnother(command, reply)) {
        this.#move(command, reply.detail?.last_seq ?? this.#highest);
        return;
      }
    }
    this.#settle(command);
    command.resolve(reply);
    this.#admit();
  }

  /** Rejects everything unanswered. */
  close(error: HuntError): void {
    for (const command of this.#open.values()) {
      clearTimeout(command.retry);
      command.reject(error);
    }
    for (const command of this.#waiting) command.reject(error);
    this.#open.clear();
    this.#waiting = [];
  }

  #send(command: Command): void {
    clearTimeout(command.retry);
    command.retry = undefined;
    if (!this.transmit(command.seq, command.action)) return;
    command.sent++;
    command.sentAt = Date.now();
  }

  #later(command: Command, retryMs: number | undefined): void {
    clearTimeout(command.retry);
    // Never before the server's wait, and spread over half as much again: refused together is not to mean back together.
    const wait = retryMs === undefined ? command.backoff.next() : retryMs * (1 + this.random() / 2);
    command.retry = setTimeout(() => this.#send(command), wait);
  }

  /**
   * SEQ_CONFLICT: another action holds this seq, so ours had no effect. SEQ_STALE tells the same only of a command that was
   * never sent before: of a resent one the first copy may have had its effect, long ago.
   */
  #takenByAnother(command: Command, nack: Nack): boolean {
    if (command.moves >= seqMovesMax) return false;
    return nack.code === 'SEQ_CONFLICT' || (nack.code === 'SEQ_STALE' && command.sent === 1);
  }

  #move(command: Command, lastSeq: number): void {
    this.#settle(command);
    this.#highest = Math.max(this.#highest, lastSeq);
    command.moves++;
    command.sent = 0;
    this.#waiting.unshift(command);
    this.#admit();
  }

  #settle(command: Command): void {
    clearTimeout(command.retry);
    command.retry = undefined;
    this.#open.delete(command.seq);
  }

  #admit(): void {
    if (!this.#known) return;
    while (this.#waiting.length > 0) {
      const seq = this.#highest + 1;
      let lowest = seq;
      for (const open of this.#open.keys()) lowest = Math.min(lowest, open);
      if (seq - lowest >= windowSeqs) return;
      const command = this.#waiting.shift() as Command;
      command.seq = seq;
      this.#highest = seq;
      this.#open.set(seq, command);
      this.#send(command);
    }
  }
}
