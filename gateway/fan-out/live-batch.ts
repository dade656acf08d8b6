/**
 * The latest events of one hunt, decoded once, as long as live sockets may need them. Owns the events after `base`, and
 * the frames made of them for the present head. A socket that stands before `base` is fed from the log.
 */
import type { Codec } from '../socket/frame.ts';
import { type EvFrame, evFrames, SharedEvent } from './audience-frame.ts';
import type { PublicEvent } from './event-reader.ts';

/** Events that stay for sockets a little behind. */
export const batchEventsMax = 512;

export class LiveBatch {
  #events: SharedEvent[] = [];
  #frames = new Map<string, readonly EvFrame[]>();
  /** Most sockets of a flush stand at one cursor: the last answer, without a key made of text. */
  #last: { after: number; codec: Codec; frames: readonly EvFrame[] } | undefined;

  constructor(
    private readonly hunt: number,
    /** The events kept are those after this version. */
    private base: number,
    private readonly encoded: () => void,
  ) {}

  get head(): number {
    return this.base + this.#events.length;
  }

  push(event: PublicEvent): SharedEvent {
    const shared = new SharedEvent(event);
    this.#events.push(shared);
    if (this.#events.length > batchEventsMax * 2) {
      this.base += this.#events.length - batchEventsMax;
      this.#events = this.#events.slice(-batchEventsMax);
    }
    this.#forgetFrames();
    return shared;
  }

  covers(after: number): boolean {
    return after >= this.base;
  }

  /** Frames that cover (after, head] for those who see everything. */
  all(codec: Codec, after: number): readonly EvFrame[] {
    const last = this.#last;
    if (last !== undefined && last.after === after && last.codec === codec) return last.frames;
    const frames = this.#shared(`${codec.index}/${after}`, () =>
      evFrames(codec, this.hunt, after, this.head, this.#events.slice(after - this.base), this.encoded),
    );
    this.#last = { after, codec, frames };
    return frames;
  }

  /** Events after `scanned` for one audience. */
  audience(scanned: number, player: string | undefined, team: string | undefined): SharedEvent[] {
    const out: SharedEvent[] = [];
    for (let i = Math.max(0, scanned - this.base); i < this.#events.length; i++) {
      const event = this.#events[i] as SharedEvent;
      if (event.concerns(player, team)) out.push(event);
    }
    return out;
  }

  /** Frames that cover (after, head] with the events after `scanned` of one audience; `key` names the audience. */
  own(codec: Codec, after: number, scanned: number, key: string, events: readonly SharedEvent[]): readonly EvFrame[] {
    return this.#shared(`${codec.index}/${after}/${scanned}/${key}`, () =>
      evFrames(codec, this.hunt, after, this.head, events, this.encoded),
    );
  }

  /** After a flush: keeps only what a latecomer may need. */
  settle(keep: number): void {
    if (this.#events.length > keep) {
      this.base += this.#events.length - keep;
      this.#events = this.#events.slice(-keep);
    }
    this.#forgetFrames();
  }

  #shared(key: string, make: () => readonly EvFrame[]): readonly EvFrame[] {
    let frames = this.#frames.get(key);
    if (frames === undefined) {
      frames = make();
      this.#frames.set(key, frames);
    }
    return frames;
  }

  #forgetFrames(): void {
    this.#last = undefined;
    if (this.#frames.size > 0) this.#frames = new Map();
  }
}
