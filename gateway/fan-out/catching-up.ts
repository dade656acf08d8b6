/**
 * Subscriptions between their beginning, or a time in which they lagged, and the live ones. Feeds each from where it
 * stands, a step at a time: from the latest events while these reach back so far, else from blocks of history. Owns nothing
 * but the way: cursors are the subscriptions', the latest events the {@link Hub}'s.
 * Invariants: what a socket was sent ends exactly at its cursor (I6); one that lags is left where it stands (I5).
 */
import { type Codec, wsFrame } from '../socket/frame.ts';
import type { EvFrame, SharedEvent } from './audience-frame.ts';
import type { Hub } from './hub.ts';
import type { Subscription } from './subscription.ts';

const loadRetryMs = 300;

export class CatchingUp {
  constructor(private readonly hub: Hub) {}

  begin(sub: Subscription): void {
    // Whoever stands at the head goes live at once: a fresh subscription does not wait for its turn.
    if (this.#position(sub) >= this.hub.head || this.hub.batch.covers(this.#position(sub))) {
      while (this.#step(sub));
      return;
    }
    this.hub.parts.budget.chore(() => this.#step(sub));
  }

  #position(sub: Subscription): number {
    return sub.mode === 'all' ? sub.cursor : Math.max(sub.cursor, sub.scanned);
  }

  /** One step; answers whether to come again. */
  #step(sub: Subscription): boolean {
    if (sub.stage !== 'catching-up') return false;
    if (sub.subscriber.outbox.lagging) {
      sub.stage = 'behind';
      return false;
    }
    const position = this.#position(sub);
    if (position >= this.hub.head) {
      this.#goLive(sub);
      return false;
    }
    const codec = sub.subscriber.codec;
    if (this.hub.batch.covers(position)) {
      if (sub.mode === 'all') this.hub.write(sub, this.hub.batch.all(codec, position));
      else {
        const events = this.hub.batch.audience(position, sub.player, sub.team);
        const head = this.hub.head;
        if (events.length > 0)
          this.hub.write(
            sub,
            this.hub.batch.own(codec, sub.cursor, position, `${sub.player ?? ''}/${sub.team ?? ''}`, events),
          );
        else sub.scanned = head;
      }
      return sub.stage === 'catching-up';
    }
    const block = this.hub.parts.blocks.peek(this.hub.hunt, position);
    if (block === undefined) {
      void this.#load(sub, position);
      return false;
    }
    this.#replay(sub, position, block);
    return true;
  }

  async #load(sub: Subscription, position: number): Promise<void> {
    try {
      const answer = await this.hub.parts.blocks.load(this.hub.hunt, position);
      if (sub.stage !== 'catching-up') return;
      if (answer.kind === 'trimmed') {
        this.hub.reset(sub, 'trimmed');
        return;
      }
      if (answer.block.upto > position) {
        this.#replay(sub, position, answer.block);
        this.hub.parts.budget.chore(() => this.#step(sub));
        return;
      }
    } catch (error) {
      if (error instanceof Error && (error.name === 'LogDamagedError' || error.name === 'RecordDamagedError')) {
        this.hub.remove(sub);
        sub.subscriber.refused(
          this.hub.hunt,
          'HUNT_UNREADABLE',
          'A part of the log of this hunt cannot be read: it is parked.',
        );
        return;
      }
    }
    // The log cannot be reached, or has not got there yet.
    this.hub.parts.timers.after(loadRetryMs, () => this.hub.parts.budget.chore(() => this.#step(sub)));
  }

  #replay(
    sub: Subscription,
    position: number,
    block: {
      upto: number;
      after: number;
      events: readonly SharedEvent[];
      all(codec: Codec, cursor: number, encoded: () => void): readonly EvFrame[];
    },
  ): void {
    const codec = sub.subscriber.codec;
    if (sub.mode === 'all') {
      this.hub.write(sub, block.all(codec, position, this.hub.encoded));
      return;
    }
    const events = block.events.filter((event) => event.version > position && event.concerns(sub.player, sub.team));
    if (events.length === 0) sub.scanned = block.upto;
    else this.hub.write(sub, this.#ownReplay(sub, codec, block.upto, events));
  }

  #ownReplay(sub: Subscription, codec: Codec, upto: number, events: readonly SharedEvent[]): readonly EvFrame[] {
    this.hub.encoded();
    const message = codec.assemble({ t: 'ev', hunt: this.hub.hunt, after: sub.cursor, upto }, [
      ['events', codec.list(events.map((event) => event.bytes(codec)))],
    ]);
    return [{ bytes: wsFrame(message, codec.binary), upto }];
  }

  #goLive(sub: Subscription): void {
    sub.stage = 'live';
    sub.scanned = Math.max(sub.scanned, sub.cursor);
    if (sub.liveDue) {
      this.#sendDueMe(sub);
      sub.liveDue = false;
      if (sub.mode === 'own') {
        sub.cursor = Math.max(sub.cursor, sub.scanned, this.hub.head);
        sub.scanned = sub.cursor;
      }
      sub.subscriber.outbox.send(this.hub.liveFrame(sub.subscriber.codec, sub.cursor, sub.mode));
    }
    this.settleDue(sub);
  }

  /** The private view and the board that the socket was promised, now that it can take them. */
  settleDue(sub: Subscription): void {
    this.#sendDueMe(sub);
    if (!sub.boardDue) return;
    if (sub.player === undefined) this.hub.board.askedFor();
    else this.hub.board.placeDue(sub.player);
  }

  #sendDueMe(sub: Subscription): void {
    const due = sub.meDue;
    if (due === undefined) return;
    sub.meDue = undefined;
    this.hub.me.sendWhole(sub, due.version, due.json);
  }
}
