/**
 * When `hunt up` says that the cluster is ready.
 *
 * Owns: the patience that the first start has with what is wanted and not needed. Keeps I10: a database or a projector that does
 * not come up delays the first `ready` by {@link wantedMs} at most, and later changes nothing.
 */
import type { Cancel, Timers } from '../../runtime/kernel/timer.ts';
import type { View } from '../view.ts';
import type { Child } from './child.ts';
import { lastWords } from './log-file.ts';

/** How long the first start waits for what is wanted, once everything else is ready. */
export const wantedMs = 4_000;

export interface ReadyRulePorts {
  readonly timers: Timers;
  /** For people. */
  say(sentence: string): void;
  /** The patience is over: ask again. */
  over(): void;
}

type Patience =
  | { readonly kind: 'fresh' }
  | { readonly kind: 'waiting'; readonly cancel: Cancel }
  | { readonly kind: 'over' };

export class ReadyRule {
  readonly #ports: ReadyRulePorts;
  #patience: Patience = { kind: 'fresh' };

  constructor(ports: ReadyRulePorts) {
    this.#ports = ports;
  }

  /** Every process that is needed says that it is ready, and every slot's owner is one of them. */
  isReady(children: readonly Child[], view: View | undefined): boolean {
    const needed = children.filter((child) => child.plan.need === 'essential' && !child.gone);
    if (!needed.every((child) => child.up)) return false;
    const serving = new Set(needed.filter((child) => child.plan.role === 'node').map((child) => child.plan.name));
    if (view?.owners.every((owner) => owner !== undefined && serving.has(owner)) !== true) return false;
    if (this.#patience.kind !== 'over') this.#waitFor(children.filter((child) => child.plan.need === 'wanted'));
    return this.#patience.kind === 'over';
  }

  close(): void {
    if (this.#patience.kind === 'waiting') this.#patience.cancel();
  }

  /** What has failed once is not waited for: whatever it lacks will hardly come in these seconds. */
  #waitFor(wanted: readonly Child[]): void {
    const late = wanted.filter((child) => !child.up);
    if (late.every((child) => child.failed)) this.#end(late);
    else if (this.#patience.kind === 'fresh') {
      const cancel = this.#ports.timers.after(wantedMs, () => {
        this.#end(wanted.filter((child) => !child.up));
        this.#ports.over();
      });
      this.#patience = { kind: 'waiting', cancel };
    }
  }

  #end(late: readonly Child[]): void {
    this.close();
    this.#patience = { kind: 'over' };
    for (const child of late) {
      const why = child.failed ? `does not start (${lastWords(child.plan.logFile)})` : 'does not serve yet';
      this.#ports.say(`${child.plan.name} ${why}: play goes on without it; ${child.plan.logFile} tells more`);
    }
  }
}
