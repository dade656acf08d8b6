/**
 * The scoreboard of one hunt as its subscribers see it. The top is asked for and encoded once for all; a player's own
 * place rides along when it is due: at once after `sub`, within a second of a change of its points, otherwise every half
 * minute. At most four frames a second, fewer in a big hunt: a board yields to events.
 */
import type { Board } from '../../actors/hunt/interface.ts';
import type { Cancel } from '../../runtime/kernel/timer.ts';
import { type Codec, wsFrame } from '../socket/frame.ts';
import type { FanOutParts } from './fan-out-parts.ts';
import type { Subscription } from './subscription.ts';

/** Contract: at most four a second. */
export const boardGapMs = 250;
/** A frame to each of so many sockets a second is what boards may cost. */
const boardWritesPerSecond = 10_000;
const boardPlayersMax = 256;
const placeAgeMsMax = 25_000;
const behindMs = 50;
const retryMs = 1_000;

export class SharedBoard {
  readonly #due = new Set<string>();
  #topChanged = false;
  #flying = false;
  #timer: Cancel | undefined;
  #lastAt = Number.NEGATIVE_INFINITY;
  #lastTop = '';
  #closed = false;
  #rotate = 0;

  constructor(
    private readonly hunt: number,
    private readonly parts: FanOutParts,
    private readonly subscriptions: readonly Subscription[],
    private readonly subscriptionsOf: (player: string) => readonly Subscription[],
  ) {}

  /** Something that a board shows may have changed. */
  changed(): void {
    this.#topChanged = true;
    this.#soon();
  }
  /** The player's own points changed, or it has just subscribed. */
  placeDue(player: string): void {
    this.#due.add(player);
    this.#soon();
  }
  /** A subscriber without a place has come. */
  askedFor(): void {
    this.#soon();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.();
  }

  #soon(ms?: number): void {
    if (this.#flying || this.#timer !== undefined || this.#closed) return;
    const gap = Math.max(boardGapMs, (this.subscriptions.length * 1000) / boardWritesPerSecond);
    const wait = ms ?? Math.max(0, this.#lastAt + gap - this.parts.clock.monotonic());
    this.#timer = this.parts.timers.after(wait, () => {
      this.#timer = undefined;
      if (this.parts.budget.behind) this.#soon(behindMs);
      else void this.#fly();
    });
  }

  async #fly(): Promise<void> {
    if (this.subscriptions.length === 0) return;
    this.#flying = true;
    const now = this.parts.clock.monotonic();
    this.#lastAt = now;
    this.#topChanged = false;
    const players = this.#whoIsDue(now);
    const answer = await this.parts.route.call({ kind: 'hunt', id: this.hunt }, 'board', { players });
    this.#flying = false;
    if (this.#closed) return;
    if (!answer.ok) {
      for (const player of players) this.#due.add(player);
      this.#topChanged = true;
      this.#soon(answer.retryMs ?? retryMs);
      return;
    }
    this.#deliver(answer.body as Board, now, players);
    if (this.#topChanged || this.#due.size > 0) this.#soon();
  }

  #whoIsDue(now: number): string[] {
    const players: string[] = [];
    for (const player of this.#due) {
      this.#due.delete(player);
      players.push(player);
      if (players.length === boardPlayersMax) return players;
    }
    const taken = new Set(players);
    const n = this.subscriptions.length;
    for (let i = 0; i < n && players.length < boardPlayersMax; i++) {
      const sub = this.subscriptions[(this.#rotate + i) % n];
      const player = sub?.player;
      if (player === undefined || sub === undefined || now - sub.boardMeAt < placeAgeMsMax || taken.has(player))
        continue;
      taken.add(player);
      players.push(player);
    }
    this.#rotate = n === 0 ? 0 : (this.#rotate + boardPlayersMax) % n;
    return players;
  }

  #deliver(board: Board, now: number, players: readonly string[]): void {
    const hidden = board.show === 'closed' && board.status !== 'closed';
    const top = JSON.stringify([board.top, board.entrants, hidden]);
    const changed = top !== this.#lastTop;
    this.#lastTop = top;
    for (const player of players) for (const sub of this.subscriptionsOf(player)) sub.boardMeAt = now;
    const head = { t: 'board', hunt: this.hunt, version: board.version, top: board.top, entrants: board.entrants };
    const shared: [Buffer | undefined, Buffer | undefined] = [undefined, undefined];
    const plain = (codec: Codec): Buffer => {
      const frame = shared[codec.index] ?? wsFrame(codec.encode(head), codec.binary);
      shared[codec.index] = frame;
      return frame;
    };
    const subs = [...this.subscriptions];
    let at = 0;
    this.parts.budget.chore(() => {
      const sub = subs[at++];
      if (sub !== undefined) this.#send(sub, board, head, plain, hidden, changed);
      return at < subs.length;
    });
  }

  #send(
    sub: Subscription,
    board: Board,
    head: Record<string, unknown>,
    plain: (codec: Codec) => Buffer,
    hidden: boolean,
    changed: boolean,
  ): void {
    if (sub.gone || sub.stage === 'loading' || sub.liveDue) return;
    if (hidden && sub.player !== undefined) return;
    const codec = sub.subscriber.codec;
    if (sub.subscriber.outbox.lagging) {
      sub.boardDue = true;
      return;
    }
    const place = sub.player === undefined ? undefined : board.me[sub.player];
    const json = place === undefined ? undefined : `${place.rank}/${place.points}`;
    const mine = json !== undefined && json !== sub.boardMe;
    if (!mine && !changed && !sub.boardDue) return;
    sub.boardDue = false;
    if (!mine) {
      sub.subscriber.outbox.send(plain(codec));
      return;
    }
    sub.boardMe = json;
    sub.subscriber.outbox.send(wsFrame(codec.encode({ ...head, me: place }), codec.binary));
  }
}
