/** Where answers arrive: one subscription for all of them, told apart by the last token of their subject. */
import { createInbox, type Msg } from 'nats';
import type { NatsLink } from './nats-link.ts';

export class Inbox {
  readonly #prefix = `${createInbox()}.`;
  readonly #waiting = new Map<string, (message: Msg) => void>();
  #number = 0;

  constructor(link: NatsLink) {
    link.subscribe(`${this.#prefix}*`, (message) => {
      this.#waiting.get(message.subject.slice(this.#prefix.length))?.(message);
    });
  }

  /** A reply subject whose messages go to `onMessage` until it is closed. */
  open(onMessage: (message: Msg) => void): string {
    const token = (this.#number++).toString(36);
    this.#waiting.set(token, onMessage);
    return this.#prefix + token;
  }

  close(reply: string): void {
    this.#waiting.delete(reply.slice(this.#prefix.length));
  }
}
