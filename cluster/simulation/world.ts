/**
 * One run: a cluster, its clients and its nemesis, from one seed. A safety phase in which everything may break; then a
 * liveness phase in which nothing does, and everything must be answered; then the verdict. Owns the schedule and the loop.
 */

import { segmentOf } from '../../runtime/log/embedded/record.ts';
import { checkLog } from './checkers/log-checker.ts';
import { SimCluster } from './cluster.ts';
import { type Door, realNow, realSetImmediate, settle } from './door.ts';
import { type Evidence, gatherEvidence } from './evidence.ts';
import { simFooting } from './footing.ts';
import { History } from './history.ts';
import { Nemesis } from './nemesis.ts';
import type { FaultName, SimOptions } from './options.ts';
import { type Entry, Schedule } from './schedule.ts';
import { Seeded } from './seeded.ts';
import type { Counts } from './sights.ts';
import { SimProcess, usPerMs, worldBeganAt } from './sim-process.ts';
import { type Circumstances, judgeRun } from './verdict.ts';
import { Workload } from './workload.ts';

export interface RunReport {
  readonly seed: number;
  readonly ok: boolean;
  /** The simulation itself ended before its time: nothing was judged. */
  readonly isBrokenOff: boolean;
  /** In words; empty when all is well. */
  readonly faults: readonly string[];
  readonly hash: string;
  readonly tail: readonly string[];
  readonly fired: Readonly<Partial<Record<FaultName, number>>>;
  readonly simulatedMs: number;
  readonly realMs: number;
  readonly events: number;
  readonly commands: number;
  readonly acked: number;
  readonly deaths: number;
  readonly sights: Readonly<Counts>;
}

/** So long the safety phase goes on when a kind of fault found nothing to break yet. */
const owedMs = 10_000;
/** What happened last has so long to do harm. */
const lingerMs = 1_000;
/** How often the liveness phase looks whether it is over. */
const lookUs = 50 * usPerMs;
const tailLines = 120;
/** After so many Node's own loop has a turn: the worker's channel is served by it. */
const entriesPerTurn = 500;
/** A run of some minutes has a tenth of this. */
const eventsMax = 2_000_000;
/** What was on its way to the log arrives. */
const settleUs = 500 * usPerMs;
/** The claim of a gateway that died under a request passes on after 30 s; two may have died under one. */
const claimMs = 75_000;
/** Clocks differ by some 40 ms; what is due later than this before the end of the safety phase may come during the liveness phase. */
const alarmSlackMs = 200;

export class World {
  readonly schedule = new Schedule();
  readonly history: History;
  readonly cluster: SimCluster;
  readonly clients: SimProcess;
  readonly workload: Workload;
  readonly nemesis: Nemesis;
  /** Thrown where nobody caught it: in production the process would have ended. */
  readonly uncaught: string[] = [];
  events = 0;
  isRunAway = false;

  constructor(
    readonly options: SimOptions,
    readonly door: Door,
    onLine?: (line: string) => void,
  ) {
    const chance = new Seeded(options.seed, 'world');
    this.history = new History(() => this.schedule.now, onLine);
    this.cluster = new SimCluster(this.schedule, chance.fork('cluster'), options, this.history);
    this.clients = new SimProcess('clients', this.schedule, chance);
    this.clients.start();
    const gateways = this.cluster.gateways.map(({ name }) => name);
    door.present = this.clients;
    this.workload = new Workload(
      simFooting(this.clients, this.cluster.network),
      this.history,
      chance.fork('workload'),
      options,
      gateways,
    );
    this.nemesis = new Nemesis(
      this.cluster,
      this.history,
      chance.fork('nemesis'),
      this.clients,
      () => this.workload.devices,
    );
    door.present = undefined;
  }

  async run(): Promise<RunReport> {
    const began = realNow();
    const caught = (error: unknown): void => void this.uncaught.push(explain(error));
    process.on('uncaughtException', caught);
    process.on('unhandledRejection', caught);
    const faults: string[] = [];
    let evidence: Evidence | string = '';
    try {
      this.cluster.start();
      await this.#advance(this.options.safetyMs * usPerMs);
      faults.push(...(await this.#owed()));
      this.history.note('world', 'the safety phase is over');
      this.nemesis.rest();
      this.workload.rest();
      const alarmsDueMs = this.schedule.now / usPerMs - alarmSlackMs;
      faults.push(...(await this.#liveness()));
      for (const device of this.workload.devices) device.stop();
      // From here on the log stands still, and what nodes hold in memory is what they held.
      for (const node of this.cluster.nodes) node.process.stop();
      await this.#advance(this.schedule.now + settleUs);
      evidence = await this.#evidence();
      const { hasLostData, hasSetClocks } = this.nemesis;
      const circumstances = {
        nowMs: worldBeganAt + alarmsDueMs,
        isLossy: hasLostData,
        areClocksSound: !hasSetClocks,
      };
      if (typeof evidence === 'string') faults.push(evidence);
      else faults.push(...this.#judged(evidence, circumstances));
    } finally {
      process.off('uncaughtException', caught);
      process.off('unhandledRejection', caught);
      this.door.present = undefined;
    }
    for (const { what, error } of this.cluster.ownFaults) faults.push(`a fault of ours: ${what}: ${explain(error)}`);
    for (const what of this.uncaught) faults.push(`nobody caught: ${what}`);
    return {
      seed: this.options.seed,
      ok: faults.length === 0,
      isBrokenOff: false,
      faults,
      hash: this.history.hash,
      tail: this.history.tail(tailLines),
      fired: Object.fromEntries(this.nemesis.fired),
      simulatedMs: this.schedule.now / usPerMs,
      realMs: realNow() - began,
      events: this.events,
      commands: this.history.commands.length,
      acked: this.history.commands.filter(({ replies }) => replies.some(({ kind }) => kind === 'ack')).length,
      deaths: this.cluster.all.reduce((sum, one) => sum + one.deaths, 0),
      sights: this.#sights(evidence),
    };
  }

  /** A log that contradicts itself may be more than a checker can fold. */
  #judged(evidence: Evidence, circumstances: Circumstances): string[] {
    try {
      return judgeRun(this.history, evidence, this.cluster, circumstances);
    } catch (error) {
      return [...checkLog(evidence), `the log cannot be folded: ${explain(error)}`];
    }
  }

  #sights(evidence: Evidence | string): Counts {
    const { sights, machine } = this.cluster;
    const { torn, refused, stalls } = machine.disk.counts;
    sights.add('disk: torn write', torn);
    sights.add('disk: write refused', refused);
    sights.add('disk: stall', stalls);
    for (const { replies, isAbandoned } of this.history.commands) {
      if (isAbandoned) sights.add('command abandoned');
      for (const reply of replies) if (reply.kind === 'ack' && reply.duplicate) sights.add('duplicate acknowledged');
    }
    if (typeof evidence === 'string') return sights.counts;
    const segments = new Set(evidence.records.map(({ position }) => segmentOf(position)));
    if (segments.size > 1) sights.add('log: segment rolled', segments.size - 1);
    for (const outcome of evidence.steps) sights.add(`view: ${outcome}`);
    for (const { events } of evidence.hunts.values())
      for (const { player } of events) if (player === '@system') sights.add('alarm fired');
    return sights.counts;
  }

  /** Runs until that time, or until `isOver`, looked at now and then. */
  #advance(untilUs: number, isOver?: () => boolean): Promise<void> {
    const { schedule, door } = this;
    let looked = schedule.now;
    const isOverNow = (): boolean => {
      if (this.isRunAway) return true;
      if (isOver === undefined || schedule.now - looked < lookUs) return false;
      looked = schedule.now;
      return isOver();
    };
    /** False: nothing is left to be done. */
    const step = (): boolean => {
      door.present = undefined;
      if (isOverNow()) return false;
      const entry = schedule.next(isOver === undefined ? untilUs : Math.min(untilUs, looked + lookUs));
      if (entry !== undefined) this.#carryOut(entry);
      return entry !== undefined || schedule.now < untilUs;
    };
    return new Promise((resolve) => {
      const turn = (): void => {
        for (let left = entriesPerTurn; left > 0; left--) {
          if (step()) continue;
          resolve();
          return;
        }
        realSetImmediate(turn);
      };
      realSetImmediate(turn);
    });
  }

  /** The entry, and everything that follows from it without waiting for time. */
  #carryOut(entry: Entry): void {
    if (++this.events > eventsMax) {
      this.uncaught.push(`more than ${eventsMax} events: something goes round in circles`);
      this.isRunAway = true;
    }
    this.history.step(entry.at);
    this.door.present = entry.owner instanceof SimProcess ? entry.owner : undefined;
    for (let run = entry.run; ; run = settle) {
      try {
        run();
        if (run === settle) return;
      } catch (error) {
        this.uncaught.push(explain(error));
      }
    }
  }

  /** Every kind of fault that the run was to meet happens: a run without them would have proved nothing. */
  async #owed(): Promise<string[]> {
    const { nemesis, schedule } = this;
    if (nemesis.owed.length === 0) return [];
    nemesis.hurry();
    await this.#advance(schedule.now + owedMs * usPerMs, () => nemesis.owed.length === 0);
    await this.#advance(schedule.now + lingerMs * usPerMs);
    return nemesis.owed.map((name) => `"${name}" was to happen, and did not`);
  }

  async #liveness(): Promise<string[]> {
    const { workload, schedule, cluster, history } = this;
    const faults: string[] = [];
    const within = async (
      what: string,
      isSo: () => boolean,
      details: () => string,
      ms = this.options.livenessMs,
    ): Promise<void> => {
      const began = schedule.now;
      await this.#advance(began + ms * usPerMs, isSo);
      if (!isSo()) faults.push(`liveness: ${what} not within ${ms} ms: ${details()}`);
      history.note('world', `${what}: ${((schedule.now - began) / usPerMs).toFixed(0)} ms`);
    };
    await within(
      'the cluster serves',
      () => cluster.isSettled,
      () =>
        cluster.all
          .filter((one) => !one.isUp)
          .map(({ name }) => name)
          .join(' '),
    );
    await within(
      'every command is answered',
      () => workload.unanswered.length === 0,
      () =>
        workload.unanswered
          .slice(0, 5)
          .map(({ player, seq, action }) => `${player} seq ${seq} (${action.type})`)
          .join(', '),
    );
    if (this.nemesis.furthestLeapMs < claimMs)
      await within(
        'every request is answered',
        () => workload.unansweredRequests === 0,
        () => `${workload.unansweredRequests} of designers`,
        claimMs + this.nemesis.furthestLeapMs,
      );
    workload.wish();
    await within(
      'every hunt serves',
      () => workload.unanswered.length === 0,
      () =>
        workload.unanswered
          .map(
            ({ hunt, player, seq, replies }) => `hunt ${hunt}: ${player} seq ${seq} ${JSON.stringify(replies.at(-1))}`,
          )
          .join(', '),
    );
    await within(
      'everybody follows to the head',
      () => this.#stragglers().length === 0,
      () => this.#stragglers().join(', '),
    );
    return faults;
  }

  /** Who follows a hunt in `all` and does not hold the highest version that anybody was told of. */
  #stragglers(): string[] {
    const heads = new Map<number, number>();
    for (const { hunt, replies } of this.nemesis.hasLostData ? this.workload.wishes : this.history.commands)
      for (const reply of replies) heads.set(hunt, Math.max(heads.get(hunt) ?? 0, reply.version ?? 0));
    return this.workload.devices.flatMap(({ judge, parts }) => {
      const head = heads.get(parts.hunt) ?? 0;
      // A hunt may be among what was lost.
      if (head === 0 && this.nemesis.hasLostData) return [];
      if (judge.isLive && (judge.mode === 'own' || (judge.cursor ?? 0) >= head)) return [];
      return [`${parts.tag} ${judge.isLive ? 'live' : 'not live'} at ${judge.cursor} of ${head}`];
    });
  }

  /** What the log holds, read by a client like any other; in words, why it cannot be read. */
  async #evidence(): Promise<Evidence | string> {
    let evidence: Evidence | undefined;
    let error: unknown;
    this.clients.later(0, 'evidence', () => {
      gatherEvidence(this.clients, this.cluster.network).then(
        (found) => (evidence = found),
        (fault: unknown) => (error = fault),
      );
    });
    await this.#advance(this.schedule.now + 60_000 * usPerMs, () => evidence !== undefined || error !== undefined);
    return evidence ?? `the log could not be read in the end: ${explain(error)}`;
  }
}

const explain = (error: unknown): string =>
  error instanceof Error
    ? (error.stack ?? error.message)
    : typeof error === 'object'
      ? JSON.stringify(error)
      : String(error);
