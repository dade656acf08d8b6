/**
 * The private views of one hunt's subscribers. Owns: whose view may have changed, when views change by time alone, and
 * the one flight that asks for up to 256 of them at once. A view is sent whole or as a merge patch on the one held.
 */
import type { PlayerView, Views } from '../../actors/hunt/interface.ts';
import type { Cancel } from '../../runtime/kernel/timer.ts';
import { framed } from '../socket/frame.ts';
import type { FanOutParts } from './fan-out-parts.ts';
import { mergePatchOf } from './merge-patch.ts';
import type { Subscription } from './subscription.ts';

/** Players in one call of `views`. */
export const viewPlayersMax = 256;
/** Between two flights of one hunt: a busy player's events share a view. */
const flightGapMs = 25;
const behindMs = 50;
const retryMs = 1_000;
/** A view that is due already asks again no sooner. */
const wakeMsMin = 250;
const wakeMsMax = 24 * 3600 * 1000;

export class PrivateViews {
  readonly #dirty = new Set<string>();
  readonly #changesAt = new Map<string, number>();
  #flying = false;
  #timer: Cancel | undefined;
  #wake: Cancel | undefined;
  #wakeAt = Number.POSITIVE_INFINITY;
  #closed = false;

  constructor(
    private readonly hunt: number,
    private readonly parts: FanOutParts,
    private readonly subscriptionsOf: (player: string) => readonly Subscription[],
    private readonly setTeam: (sub: Subscription, team: string | undefined, version: number) => void,
  ) {}

  changed(player: string): void {
    this.#dirty.add(player);
    this.#soon(0);
  }

  /** A view that came with a snapshot or with a flight: when it changes by itself. */
  noteTime(player: string, changesAt: number | undefined): void {
    if (changesAt === undefined) {
      this.#changesAt.delete(player);
      return;
    }
    this.#changesAt.set(player, changesAt);
    if (changesAt < this.#wakeAt) this.#armWake(changesAt);
  }

  forget(player: string): void {
    this.#dirty.delete(player);
    this.#changesAt.delete(player);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.();
    this.#wake?.();
  }

  #armWake(at: number): void {
    this.#wake?.();
    this.#wakeAt = at;
    const wait = Math.min(wakeMsMax, Math.max(wakeMsMin, at - this.parts.clock.now()));
    this.#wake = this.parts.timers.after(wait, () => {
      this.#wake = undefined;
      this.#wakeAt = Number.POSITIVE_INFINITY;
      const now = this.parts.clock.now();
      let next = Number.POSITIVE_INFINITY;
      for (const [player, changesAt] of this.#changesAt) {
        if (changesAt > now) next = Math.min(next, changesAt);
        else {
          this.#changesAt.delete(player);
          this.#dirty.add(player);
        }
      }
      if (next < Number.POSITIVE_INFINITY) this.#armWake(next);
      this.#soon(0);
    });
  }

  #soon(ms: number): void {
    if (this.#flying || this.#timer !== undefined || this.#closed || this.#dirty.size === 0) return;
    this.#timer = this.parts.timers.after(ms, () => {
      this.#timer = undefined;
      if (this.parts.budget.behind) this.#soon(behindMs);
      else void this.#fly();
    });
  }

  async #fly(): Promise<void> {
    const players: string[] = [];
    for (const player of this.#dirty) {
      this.#dirty.delete(player);
      if (this.subscriptionsOf(player).length === 0) continue;
      players.push(player);
      if (players.length === viewPlayersMax) break;
    }
    if (players.length === 0) return;
    this.#flying = true;
    const answer = await this.parts.route.call({ kind: 'hunt', id: this.hunt }, 'views', { players, hunt: false });
    this.#flying = false;
    if (this.#closed) return;
    if (!answer.ok) {
      for (const player of players) this.#dirty.add(player);
      this.#soon(answer.retryMs ?? retryMs);
      return;
    }
    const views = answer.body as Views;
    let at = 0;
    this.parts.budget.chore(() => {
      const player = players[at++];
      const view = player === undefined ? undefined : views.players[player];
      if (player !== undefined && view !== undefined) this.#deliver(player, views.version, view);
      return at < players.length;
    });
    this.#soon(flightGapMs);
  }

  #deliver(player: string, version: number, view: PlayerView): void {
    this.noteTime(player, view.changes_at);
    const json = JSON.stringify(view.me);
    let patched: { held: string; patch: unknown } | undefined;
    for (const sub of this.subscriptionsOf(player)) {
      if (sub.gone || sub.stage === 'loading' || version < sub.meVersion) continue;
      this.setTeam(sub, view.team, version);
      if (sub.subscriber.outbox.lagging) {
        // It is told when it has drained.
        sub.meDue = { version, json };
        continue;
      }
      if (sub.meDue !== undefined) {
        sub.meDue = { version, json };
        continue;
      }
      if (sub.me === json) {
        sub.meVersion = version;
        continue;
      }
      if (sub.me === undefined) {
        this.sendWhole(sub, version, json);
        continue;
      }
      if (patched?.held !== sub.me) patched = { held: sub.me, patch: mergePatchOf(JSON.parse(sub.me), view.me) };
      sub.me = json;
      sub.meVersion = version;
      if (patched.patch === undefined) continue;
      const message = { t: 'me', hunt: this.hunt, version, full: false, me: patched.patch };
      sub.subscriber.outbox.send(framed(sub.subscriber.codec, message));
    }
  }

  sendWhole(sub: Subscription, version: number, json: string): void {
    sub.me = json;
    sub.meVersion = version;
    const message = { t: 'me', hunt: this.hunt, version, full: true, me: JSON.parse(json) };
    sub.subscriber.outbox.send(framed(sub.subscriber.codec, message));
  }
}
