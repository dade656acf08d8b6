/**
 * One number a slot that only grows, kept in a stream of its own: `take` (the epoch of the slot's owner) and `trim` (the
 * position below which the slot's records are let go of). That stream holds one message a subject, so a log that is full
 * can still be taken over and trimmed. Owns this process's copies, which may be behind, never ahead.
 */
import { type Slot, slotCount } from '../../../proto/ids.ts';
import { jetStreamError, type PubAck, wrongLastSequence } from './jetstream-answer.ts';
import { Names } from './names.ts';
import type { NatsLink } from './nats-link.ts';
import type { Requests } from './requests.ts';
import type { StoredMessages } from './stored-messages.ts';

export class SlotRegister {
  readonly #numbers = new Float64Array(slotCount);
  /** Told of every number that is new to this process. */
  onRaised: ((slot: Slot, number: number) => void) | undefined;

  constructor(
    private readonly name: string,
    private readonly names: Names,
    link: NatsLink,
    private readonly requests: Requests,
    private readonly messages: StoredMessages,
  ) {
    link.subscribe(names.liveRegister(name), (message) => {
      const slot = Names.slotAtEnd(message.subject);
      if (slot !== undefined) this.learned(slot, Number(Buffer.from(message.data).toString('latin1')));
    });
  }

  /** What this process knows. */
  of(slot: Slot): number {
    return this.#numbers[slot] as number;
  }

  learned(slot: Slot, number: number): void {
    if (!(number > (this.#numbers[slot] as number))) return;
    this.#numbers[slot] = number;
    this.onRaised?.(slot, number);
  }

  /** What the log says. */
  async ask(slot: Slot): Promise<number> {
    await this.#look(slot);
    return this.of(slot);
  }

  /** Asks for all slots: after a break, takes may have been missed. */
  async refresh(): Promise<void> {
    await Promise.all(Array.from({ length: slotCount }, (_, slot) => this.#look(slot as Slot)));
  }

  /** Raises the slot's number to `number` if it is lower; resolves with what it is then. */
  async raise(slot: Slot, number: number): Promise<number> {
    for (let seq = await this.#look(slot); this.of(slot) < number; seq = await this.#look(slot)) {
      const header = Buffer.from(`NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: ${seq}\r\n\r\n`);
      const { body } = await this.requests.ask(this.names.register(this.name, slot), Buffer.from(`${number}`), {
        header,
      });
      const answer = JSON.parse(body.toString()) as PubAck;
      if (answer.error === undefined) this.learned(slot, number);
      // Asked twice after a break, or somebody else was first: the log tells which.
      else if (!wrongLastSequence(answer.error)) throw jetStreamError(`the ${this.name} of slot ${slot}`, answer.error);
    }
    return this.of(slot);
  }

  /** Resolves with the sequence of the slot's message, 0 if it has none. */
  async #look(slot: Slot): Promise<number> {
    const stored = await this.messages.last(this.names.register(this.name, slot));
    if (stored === undefined) return 0;
    this.learned(slot, Number(stored.body.toString('latin1')));
    return stored.seq;
  }
}
