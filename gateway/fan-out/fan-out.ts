/** All hubs of a gateway: made with the first subscriber of a hunt, ended some seconds after the last. */
import type { FanOutParts } from './fan-out-parts.ts';
import { Hub } from './hub.ts';
import type { Subscription } from './subscription.ts';

/** A hunt that nobody watches is kept so long: players on a shaky line come back. */
const idleMs = 10_000;
/** In `own` the cursor follows the hunt at least every 10 s: twice that often, for slack. */
const beatMs = 5_000;

export class FanOut {
  readonly #hubs = new Map<number, { hub: Hub; idleSince: number | undefined }>();
  readonly #stop: () => void;

  constructor(private readonly parts: FanOutParts) {
    this.#stop = parts.timers.every(beatMs, () => this.#beat());
  }

  add(sub: Subscription): void {
    let entry = this.#hubs.get(sub.hunt);
    if (entry === undefined) {
      entry = { hub: new Hub(sub.hunt, this.parts), idleSince: undefined };
      this.#hubs.set(sub.hunt, entry);
    }
    entry.idleSince = undefined;
    entry.hub.add(sub);
  }

  remove(sub: Subscription): void {
    const entry = this.#hubs.get(sub.hunt);
    if (entry === undefined || sub.at < 0) sub.stage = 'gone';
    else {
      entry.hub.remove(sub);
      if (entry.hub.subscriptions.length === 0) entry.idleSince = this.parts.clock.monotonic();
    }
  }

  drained(sub: Subscription): void {
    this.#hubs.get(sub.hunt)?.hub.drained(sub);
  }

  close(): void {
    this.#stop();
    for (const { hub } of this.#hubs.values()) hub.close();
    this.#hubs.clear();
  }

  #beat(): void {
    const now = this.parts.clock.monotonic();
    for (const [hunt, entry] of this.#hubs) {
      if (entry.hub.subscriptions.length > 0) {
        entry.idleSince = undefined;
        entry.hub.beat();
        continue;
      }
      entry.idleSince ??= now;
      if (now - entry.idleSince < idleMs) continue;
      entry.hub.close();
      this.#hubs.delete(hunt);
    }
  }
}
