/**
 * One hunt's subscribers on this gateway. Owns: the latest events, who stands where, and when whom to serve. Does not own:
 * the way from the log (hunt-feed), bytes (audience-frame), who is behind (catching-up), history (replay-block), views
 * (me), places (board).
 * Invariants: only committed records are shown (I1: the feed and the log deliver nothing else); what a socket was sent
 * ends exactly at its cursor (I6); a socket that lags keeps nothing here but its cursor (I5).
 */
import type { Version } from '../../proto/ids.ts';
import type { LogRecord } from '../../runtime/log/event-log.ts';
import { type Codec, framed } from '../socket/frame.ts';
import { Arrival } from './arrival.ts';
import type { EvFrame, SharedEvent } from './audience-frame.ts';
import { SharedBoard } from './board.ts';
import { CatchingUp } from './catching-up.ts';
import type { FanOutParts } from './fan-out-parts.ts';
import { HuntFeed, type HuntFollower } from './hunt-feed.ts';
import { LiveBatch } from './live-batch.ts';
import { PrivateViews } from './me.ts';
import type { Live } from './send-budget.ts';
import type { ResetReason, Subscription } from './subscription.ts';

/** Events that stay in memory once everybody has them. */
const settledEvents = 64;
/** Sockets between two looks at the clock. */
const writesPerLook = 16;
/** From so many on, an event for everybody is shared in `own` behind a shared `live`. */
const ownSharingMin = 8;

export class Hub implements Live, HuntFollower {
  readonly subscriptions: Subscription[] = [];
  readonly #players = new Map<string, Subscription[]>();
  /** Team to its players here. */
  readonly #teams = new Map<string, Set<string>>();
  readonly #own = new Set<Subscription>();
  #ownDirty = new Set<Subscription>();
  readonly #feed: HuntFeed;
  batch: LiveBatch;
  #visiting = -1;
  #oldestUnsent: number | undefined;
  #lineage = '';
  #live: [Buffer | undefined, Buffer | undefined] = [undefined, undefined];
  #liveVersion = -1;
  #boardHead = -1;
  hot = false;
  readonly arrival: Arrival;
  readonly #catchingUp: CatchingUp;
  readonly me: PrivateViews;
  readonly board: SharedBoard;

  constructor(
    readonly hunt: number,
    readonly parts: FanOutParts,
  ) {
    const of = (player: string): readonly Subscription[] => this.#players.get(player) ?? [];
    this.batch = new LiveBatch(hunt, 0, this.encoded);
    this.me = new PrivateViews(hunt, parts, of, (sub, team, version) => this.setTeam(sub, team, version));
    this.board = new SharedBoard(hunt, parts, this.subscriptions, of);
    this.arrival = new Arrival(this);
    this.#catchingUp = new CatchingUp(this);
    this.#feed = new HuntFeed(hunt, parts, this);
    void this.#feed.open();
  }

  get head(): number {
    return this.batch.head;
  }
  get isOpen(): boolean {
    return this.#feed.isOpen;
  }
  get lineage(): string {
    return this.#lineage;
  }
  set lineage(lineage: string) {
    this.#lineage = lineage;
  }

  add(sub: Subscription): void {
    sub.at = this.subscriptions.length;
    this.subscriptions.push(sub);
    if (sub.player !== undefined) {
      const mine = this.#players.get(sub.player);
      if (mine === undefined) this.#players.set(sub.player, [sub]);
      else mine.push(sub);
    }
    this.arrival.wait(sub);
    this.#judgeHeat();
  }

  remove(sub: Subscription): void {
    if (sub.gone) return;
    sub.stage = 'gone';
    const last = this.subscriptions.pop() as Subscription;
    if (last !== sub) {
      this.subscriptions[sub.at] = last;
      last.at = sub.at;
    }
    this.#own.delete(sub);
    this.#ownDirty.delete(sub);
    if (sub.player === undefined) return;
    const mine = this.#players.get(sub.player)?.filter((other) => other !== sub) ?? [];
    if (mine.length > 0) this.#players.set(sub.player, mine);
    else {
      this.#players.delete(sub.player);
      if (sub.team !== undefined) this.#leaveTeam(sub.team, sub.player);
      this.me.forget(sub.player);
    }
    this.#judgeHeat();
  }

  close(): void {
    this.#feed.close();
    this.me.close();
    this.board.close();
  }

  // --- the feed ----------------------------------------------------------------------------------------------------

  opened(head: Version): void {
    this.batch = new LiveBatch(this.hunt, head, this.encoded);
    this.arrival.go();
  }

  take(record: LogRecord): void {
    let newDefinition = false;
    try {
      for (const event of this.parts.reader.decode(record)) {
        if (event.version !== this.head + 1) continue;
        const shared = this.batch.push(event);
        this.#touch(shared);
        if (event.type === 'DefinitionPublished') newDefinition = true;
      }
    } catch {
      this.#unreadable();
      return;
    }
    this.#oldestUnsent ??= this.parts.clock.monotonic();
    this.#visiting = this.subscriptions.length - 1;
    this.parts.budget.live(this);
    if (newDefinition)
      for (const sub of [...this.subscriptions]) if (sub.stage !== 'loading') this.reset(sub, 'definition');
  }

  #unreadable(): void {
    for (const sub of [...this.subscriptions]) {
      this.remove(sub);
      sub.subscriber.refused(
        this.hunt,
        'HUNT_UNREADABLE',
        'The log of this hunt was written by a newer release or is damaged: it is parked.',
      );
    }
  }

  /** Who must hear of this event besides those who hear everything. */
  #touch(event: SharedEvent): void {
    const { player, team, type } = event.event;
    if (event.forAll) {
      if (type !== 'Announced') for (const name of this.#players.keys()) this.me.changed(name);
      for (const sub of this.#own) this.#soil(sub, event.version);
      this.board.changed();
      return;
    }
    const mine = this.#players.get(player) ?? [];
    if (team !== undefined && (type === 'TeamJoined' || type === 'TeamCreated'))
      for (const sub of mine) this.setTeam(sub, team, event.version);
    if (mine.length > 0) this.#touchPlayer(player, event);
    if (team !== undefined)
      for (const name of this.#teams.get(team) ?? []) if (name !== player) this.#touchPlayer(name, event);
    this.board.changed();
  }

  #touchPlayer(player: string, event: SharedEvent): void {
    this.me.changed(player);
    this.board.placeDue(player);
    for (const sub of this.#players.get(player) ?? [])
      if (sub.mode === 'own' && event.concerns(sub.player, sub.team)) this.#soil(sub, event.version);
  }

  /** The player's team as of that version: its events are its own. */
  setTeam(sub: Subscription, team: string | undefined, version: number): void {
    if (version < sub.teamVersion) return;
    sub.teamVersion = version;
    const player = sub.player;
    if (player === undefined || sub.team === team) return;
    if (sub.team !== undefined) this.#leaveTeam(sub.team, player);
    sub.team = team;
    if (team === undefined) return;
    const members = this.#teams.get(team);
    if (members === undefined) this.#teams.set(team, new Set([player]));
    else members.add(player);
  }

  #leaveTeam(team: string, player: string): void {
    const members = this.#teams.get(team);
    members?.delete(player);
    if (members?.size === 0) this.#teams.delete(team);
  }

  #soil(sub: Subscription, version: number): void {
    if (sub.stage !== 'live' || version <= sub.scanned || sub.dirty) return;
    sub.dirty = true;
    sub.scanned = version - 1;
    this.#ownDirty.add(sub);
  }

  // --- live delivery -----------------------------------------------------------------------------------------------

  flush(until: number): boolean {
    const clock = this.parts.clock;
    let writes = 0;
    for (; this.#visiting >= 0; this.#visiting--) {
      const sub = this.subscriptions[this.#visiting];
      if (sub === undefined || sub.stage !== 'live' || sub.mode !== 'all' || sub.cursor >= this.head) continue;
      this.#feedAll(sub);
      if (++writes % writesPerLook === 0 && clock.monotonic() >= until) {
        this.#visiting--;
        return false;
      }
    }
    for (const sub of this.#ownDirty) {
      this.#ownDirty.delete(sub);
      this.#feedOwn(sub);
      if (++writes % writesPerLook === 0 && clock.monotonic() >= until) return false;
    }
    if (this.#oldestUnsent !== undefined)
      this.parts.metrics.observe('hunt_fanout_seconds', (clock.monotonic() - this.#oldestUnsent) / 1000);
    this.#oldestUnsent = undefined;
    this.batch.settle(settledEvents);
    return true;
  }

  #feedAll(sub: Subscription): void {
    const { outbox, codec } = sub.subscriber;
    if (outbox.lagging) {
      sub.stage = 'behind';
      return;
    }
    if (!this.batch.covers(sub.cursor)) {
      this.catchUp(sub);
      return;
    }
    this.write(sub, this.batch.all(codec, sub.cursor));
  }

  #feedOwn(sub: Subscription): void {
    if (sub.stage !== 'live' || !sub.dirty) return;
    sub.dirty = false;
    const { outbox, codec } = sub.subscriber;
    if (outbox.lagging) {
      sub.stage = 'behind';
      return;
    }
    if (!this.batch.covers(sub.scanned)) {
      this.catchUp(sub);
      return;
    }
    const events = this.batch.audience(sub.scanned, sub.player, sub.team);
    if (events.length === 0) {
      sub.scanned = this.head;
      return;
    }
    let key = `${sub.player ?? ''}/${sub.team ?? ''}`;
    if (this.#own.size >= ownSharingMin && events.every((event) => event.forAll)) {
      // Every audience stands elsewhere; a shared `live` brings them to one cursor, so that one frame fits all.
      key = '@';
      if (sub.cursor < sub.scanned) {
        sub.cursor = sub.scanned;
        outbox.send(this.liveFrame(codec, sub.scanned, 'own'));
      }
    }
    this.write(sub, this.batch.own(codec, sub.cursor, sub.scanned, key, events));
  }

  write(sub: Subscription, frames: readonly EvFrame[]): void {
    for (const frame of frames) {
      sub.subscriber.outbox.write(frame.bytes);
      sub.cursor = frame.upto;
      sub.scanned = frame.upto;
      if (sub.subscriber.outbox.lagging && frame !== frames.at(-1)) {
        sub.stage = 'behind';
        return;
      }
    }
  }

  /** Every few seconds: in `own` the cursor follows the hunt even when nothing of it is mine. */
  beat(): void {
    for (const sub of this.#own) {
      if (sub.stage !== 'live' || sub.dirty || sub.cursor >= this.head || sub.subscriber.outbox.lagging) continue;
      sub.cursor = this.head;
      sub.scanned = this.head;
      sub.subscriber.outbox.send(this.liveFrame(sub.subscriber.codec, this.head, 'own'));
    }
    if (this.subscriptions.length === 0 || this.#boardHead === this.head) return;
    this.#boardHead = this.head;
    this.board.askedFor();
  }

  liveFrame(codec: Codec, version: number, mode: 'all' | 'own'): Buffer {
    const make = (): Buffer => framed(codec, { t: 'live', hunt: this.hunt, version, mode, lineage: this.#lineage });
    if (mode === 'all') return make();
    if (this.#liveVersion !== version) {
      this.#liveVersion = version;
      this.#live = [undefined, undefined];
    }
    const frame = this.#live[codec.index] ?? make();
    this.#live[codec.index] = frame;
    return frame;
  }

  // --- catching up -------------------------------------------------------------------------------------------------

  /** Feeds the socket from where it stands until it is live. */
  catchUp(sub: Subscription): void {
    sub.stage = 'catching-up';
    sub.dirty = false;
    this.#ownDirty.delete(sub);
    if (sub.mode === 'own') this.#own.add(sub);
    else this.#own.delete(sub);
    this.#catchingUp.begin(sub);
  }

  drained(sub: Subscription): void {
    if (sub.stage === 'behind') this.catchUp(sub);
    else if (sub.stage === 'live') this.#catchingUp.settleDue(sub);
  }

  // --- changes of footing ------------------------------------------------------------------------------------------

  /** Starts the subscription over: `reset`, then `snap` as if fresh. */
  reset(sub: Subscription, reason: ResetReason): void {
    if (sub.gone || (sub.stage === 'loading' && sub.reset !== undefined)) return;
    sub.stage = 'loading';
    sub.from = undefined;
    sub.reset = reason;
    sub.dirty = false;
    sub.meDue = undefined;
    this.#ownDirty.delete(sub);
    this.#own.delete(sub);
    this.parts.metrics.count('hunt_resumes_total', 1, 'reset');
    this.arrival.wait(sub);
  }

  #judgeHeat(): void {
    const hot = this.parts.hotSubscribers;
    if (!this.hot && this.subscriptions.length > hot) {
      this.hot = true;
      for (const sub of [...this.subscriptions])
        if (sub.stage !== 'loading' && sub.mode === 'all' && sub.player !== undefined) this.reset(sub, 'audience');
    } else if (this.hot && this.subscriptions.length < hot / 2) this.hot = false;
  }

  readonly encoded = (): void => this.parts.metrics.count('hunt_frames_encoded_total', 1);
}
