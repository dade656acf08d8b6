/**
 * How subscriptions begin: fresh with a snapshot, or going on from a version. Owns those that wait and the one flight
 * that asks for all of their views together. A flight serves only those who came before it started, so that nobody is
 * shown less than it was acknowledged before (read your writes).
 */

import type { Views } from '../../actors/hunt/interface.ts';
import { type ErrorCode, isRetryable } from '../../proto/error-code.ts';
import { framed, wsFrame } from '../socket/frame.ts';
import type { Hub } from './hub.ts';
import { viewPlayersMax } from './me.ts';
import type { Mode, Subscription } from './subscription.ts';

/** `own` goes on from further behind with a snapshot: searching history for one player costs more than it saves. */
export const ownBehindMax = 10_000;

/** Tries for one subscription; each may itself wait some seconds for an owner. */
const triesMax = 20;
const retryMsMin = 500;

export class Arrival {
  #waiting: Subscription[] = [];
  #flying = false;

  constructor(private readonly hub: Hub) {}

  wait(sub: Subscription): void {
    this.#waiting.push(sub);
    this.go();
  }

  /** Soon: those who come in one batch of I/O share a call. */
  go(): void {
    if (this.#flying || !this.hub.isOpen || this.#waiting.length === 0) return;
    this.#flying = true;
    this.hub.parts.timers.soon(() => void this.#fly());
  }

  async #fly(): Promise<void> {
    const subs = this.#waiting.slice(0, viewPlayersMax).filter((sub) => !sub.gone);
    this.#waiting = this.#waiting.slice(viewPlayersMax);
    try {
      if (subs.length > 0) await this.#serve(subs);
    } finally {
      this.#flying = false;
      this.go();
    }
  }

  async #serve(subs: readonly Subscription[]): Promise<void> {
    const hub = this.hub;
    const players = [...new Set(subs.flatMap((sub) => (sub.player === undefined ? [] : [sub.player])))];
    const hunt = subs.some((sub) => sub.from === undefined);
    const answer = await hub.parts.route.call({ kind: 'hunt', id: hub.hunt }, 'views', { players, hunt });
    if (!answer.ok) {
      for (const sub of subs) this.#failed(sub, answer.code, answer.message, answer.retryMs);
      return;
    }
    const views = answer.body as Views;
    hub.lineage = views.lineage;
    const shared: [Buffer | undefined, Buffer | undefined] = [undefined, undefined];
    for (const sub of subs) {
      if (sub.stage !== 'loading') continue;
      if (sub.from !== undefined) await this.#resume(sub, sub.from, views);
      else if (views.hunt === undefined) this.#waiting.push(sub);
      else this.#snapshot(sub, views, shared);
    }
  }

  /** A failover is waited out, as it is for commands: a client that has subscribed need not know of it. */
  #failed(sub: Subscription, code: ErrorCode, message: string, retryMs = retryMsMin): void {
    if (sub.gone) return;
    if (isRetryable(code) && ++sub.tries < triesMax) {
      this.hub.parts.timers.after(Math.max(retryMsMin, retryMs), () => {
        if (!sub.gone) this.wait(sub);
      });
      return;
    }
    this.hub.remove(sub);
    sub.subscriber.refused(this.hub.hunt, code, message, retryMs);
  }

  #snapshot(sub: Subscription, views: Views, shared: [Buffer | undefined, Buffer | undefined]): void {
    const { codec, outbox } = sub.subscriber;
    const hunt = this.hub.hunt;
    const version = views.version;
    sub.mode = this.#grant(sub, views.feed);
    if (sub.reset !== undefined) outbox.send(framed(codec, { t: 'reset', hunt, reason: sub.reset, version }));
    else this.hub.parts.metrics.count('hunt_resumes_total', 1, 'snapshot');
    sub.reset = undefined;
    const view = sub.player === undefined ? undefined : views.players[sub.player];
    const huntBytes = shared[codec.index] ?? codec.encode(views.hunt);
    shared[codec.index] = huntBytes;
    const state = codec.assemble({}, [
      ['hunt', huntBytes],
      ['me', codec.encode(view?.me ?? null)],
    ]);
    const head = { t: 'snap', hunt, version, mode: sub.mode, lineage: views.lineage };
    outbox.send(wsFrame(codec.assemble(head, [['state', state]]), codec.binary));
    sub.cursor = version;
    sub.scanned = version;
    sub.liveDue = true;
    sub.boardDue = true;
    sub.boardMe = undefined;
    sub.meDue = undefined;
    if (view !== undefined && sub.player !== undefined) {
      sub.me = JSON.stringify(view.me);
      sub.meVersion = version;
      this.hub.setTeam(sub, view.team, version);
      this.hub.me.noteTime(sub.player, view.changes_at);
    }
    this.hub.catchUp(sub);
  }

  async #resume(sub: Subscription, from: number, views: Views): Promise<void> {
    const hub = this.hub;
    sub.mode = this.#grant(sub, views.feed);
    if (sub.lineage !== undefined && sub.lineage !== views.lineage) {
      hub.reset(sub, 'lineage');
      return;
    }
    if (from > Math.max(hub.head, views.version)) {
      // Only the log knows: a copy may lag (contract: judged by the log's head).
      let head: number;
      try {
        head = await hub.parts.log.head({ kind: 'hunt', id: hub.hunt });
      } catch {
        this.#failed(sub, 'UNAVAILABLE', 'The log cannot be reached at the moment: subscribe again.', retryMsMin);
        return;
      }
      if (sub.stage !== 'loading') return;
      if (from > head) {
        hub.reset(sub, 'ahead');
        return;
      }
    }
    if (sub.mode === 'own' && hub.head - from > ownBehindMax) {
      hub.reset(sub, 'too_far');
      return;
    }
    hub.parts.metrics.count('hunt_resumes_total', 1, 'tail');
    sub.cursor = from;
    sub.scanned = from;
    const view = sub.player === undefined ? undefined : views.players[sub.player];
    if (view !== undefined && sub.player !== undefined) {
      hub.setTeam(sub, view.team, views.version);
      sub.meDue = { version: views.version, json: JSON.stringify(view.me) };
      sub.meVersion = views.version;
      hub.me.noteTime(sub.player, view.changes_at);
    }
    hub.catchUp(sub);
  }

  /** Designers and operators see everything; players at most what the hunt gives, and their own in a hot one. */
  #grant(sub: Subscription, feed: Mode): Mode {
    if (sub.asked === 'own') return 'own';
    if (sub.player === undefined) return 'all';
    return feed === 'own' || this.hub.hot ? 'own' : 'all';
  }
}
