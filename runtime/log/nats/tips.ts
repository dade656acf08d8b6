/**
 * Where streams end, as this process has seen it last: what an append needs to name the sequence that it expects. Bounded;
 * may be behind (the log then refuses the append, and is asked). Keyed by subject.
 */
import { LRUCache } from 'lru-cache';
import type { StoredRecord } from './stored-messages.ts';

const tipsMax = 20_000;

/** A stream's last message, without its bytes. */
export type Tip = Pick<StoredRecord, 'seq' | 'version' | 'count' | 'epoch' | 'previous' | 'back'>;

export class Tips {
  readonly #tips = new LRUCache<string, Tip>({ max: tipsMax });

  of(subject: string): Tip | undefined {
    return this.#tips.get(subject);
  }

  /** The newer of what is known and what was seen. */
  saw(subject: string, { seq, version, count, epoch, previous, back }: Tip): void {
    const known = this.#tips.get(subject);
    if (known === undefined || known.seq < seq) this.#tips.set(subject, { seq, version, count, epoch, previous, back });
  }
}
