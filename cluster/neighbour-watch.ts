/**
 * A node's watch over a few others: those that follow it in the order of names, so that every node has as many watchers.
 *
 * Owns: a probe for each. Does not own: who is removed. Keeps: it blames nobody for what it slept through itself, nor for not
 * having started yet.
 */
import type { Duplex } from 'node:stream';
import type { Clock } from '../runtime/kernel/clock.ts';
import type { Cancel, Timers } from '../runtime/kernel/timer.ts';
import type { Accuser } from './accuser.ts';
import { accuserGraceMs, joinGraceMs, neighboursWatched, probeIntervalMs } from './limits.ts';
import { isSuspect } from './members.ts';
import type { ViewSource } from './placement.ts';
import { Probe } from './probe.ts';
import { isServing, type MemberNode, nodeOf, type View } from './view.ts';

/** Adapters hear from their log at least once a second while it answers. */
const logAwayMs = 1_500;

export interface NeighbourWatchPorts {
  readonly view: ViewSource;
  readonly accuser: Accuser;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly connect: (addr: string) => Duplex;
  /** How long this process has not heard from its log. */
  readonly logSilentMs: () => number;
  readonly newerView: () => void;
}

/** Behind `me` in the order of names, until enough of them are above suspicion: the dead watch nobody. */
export function neighboursOf(view: View, me: string, now: number): MemberNode[] {
  const serving = view.nodes.filter((node) => isServing(node) && node.id !== me).sort((a, b) => (a.id < b.id ? -1 : 1));
  const behind = serving.findIndex((node) => node.id > me);
  const order = behind < 0 ? serving : [...serving.slice(behind), ...serving.slice(0, behind)];
  const watched: MemberNode[] = [];
  for (let steady = 0; steady < neighboursWatched && watched.length < order.length; ) {
    const node = order[watched.length] as MemberNode;
    watched.push(node);
    if (!isSuspect(node, now)) steady++;
  }
  return watched;
}

export class NeighbourWatch {
  readonly #probes = new Map<string, Probe>();
  readonly #startedAt: number;
  #tickedAt: number;
  /** When the log was last away from this process itself, as far as it looked. */
  #logAwayAt: number;
  readonly #cancel: Cancel;
  readonly #stopListening: () => void;

  constructor(
    readonly me: string,
    private readonly ports: NeighbourWatchPorts,
  ) {
    const { clock, timers, view } = ports;
    this.#startedAt = clock.monotonic();
    this.#tickedAt = this.#startedAt;
    this.#logAwayAt = this.#startedAt;
    this.#cancel = timers.every(probeIntervalMs, () => this.#tick());
    this.#stopListening = view.onChange(() => this.#choose());
    this.#choose();
  }

  get watched(): readonly string[] {
    return [...this.#probes.values()].map((probe) => probe.target.id);
  }

  close(): void {
    this.#cancel();
    this.#stopListening();
    for (const probe of this.#probes.values()) probe.end();
    this.#probes.clear();
  }

  #choose(): void {
    const { view, clock } = this.ports;
    const wanted = new Map(
      neighboursOf(view.view, this.me, clock.now()).map((node) => [`${node.id}@${node.incarnation}`, node]),
    );
    for (const [key, probe] of this.#probes) {
      if (wanted.has(key)) continue;
      probe.end();
      this.#probes.delete(key);
    }
    for (const [key, { id, incarnation, addr }] of wanted) {
      if (this.#probes.has(key)) continue;
      const probe: Probe = new Probe(
        { id, incarnation, addr },
        {
          clock,
          connect: this.ports.connect,
          name: this.me,
          view: () => view.view.number,
          newerView: (number) => {
            if (number > view.view.number) this.ports.newerView();
          },
          noticed: () => this.#judge(probe),
        },
      );
      this.#probes.set(key, probe);
    }
  }

  #tick(): void {
    const now = this.ports.clock.monotonic();
    const late = now - this.#tickedAt - probeIntervalMs;
    this.#tickedAt = now;
    this.#choose();
    const slept = late > probeIntervalMs;
    if (slept || this.ports.logSilentMs() > logAwayMs) this.#logAwayAt = now;
    for (const probe of this.#probes.values()) {
      if (slept) probe.excuse(late);
      probe.tick();
      if (!slept) this.#judge(probe);
    }
  }

  #judge(probe: Probe): void {
    const { clock, view, accuser } = this.ports;
    const node = nodeOf(view.view, probe.target.id);
    if (node === undefined || node.incarnation !== probe.target.incarnation || !isServing(node)) return;
    if (!this.#probes.has(`${node.id}@${node.incarnation}`)) return;
    const symptom = probe.symptom(clock.monotonic() - this.#logAwayAt);
    // Who was never heard may be starting still, or we may.
    const young = clock.monotonic() - this.#startedAt < accuserGraceMs || clock.now() - node.since < joinGraceMs;
    if (symptom !== undefined && !probe.everHeard && young) return;
    accuser.judge(node, symptom);
  }
}
