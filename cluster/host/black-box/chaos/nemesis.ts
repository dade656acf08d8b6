/**
 * Carries the plan out: each fault at its time, whatever else is broken then. Owns what is broken at present, and the proofs.
 *
 * A victim or a bridge suffers one fault at a time; restarts of everything wait until nothing else is broken. What could not be done
 * at its time is tried again at the end, so that each kind that was chosen has happened; a kind that never did is a failure.
 */
import { systemClock } from '../../../../runtime/kernel/clock.ts';
import { systemTimers } from '../../../../runtime/kernel/timer.ts';
import type { History } from '../../../simulation/history.ts';
import type { Seeded } from '../../../simulation/seeded.ts';
import { callHttp } from '../bare-http.ts';
import { delay, until } from '../deadline.ts';
import { JetStreamJunk } from '../faults/jetstream-full.ts';
import { assertGone } from '../faults/process-state.ts';
import type { ChaosBed } from './bed.ts';
import { isUnderWay, Operator } from './operator.ts';
import { type Act, drawAct, type Fault, type FaultName, type PlanParts } from './plan.ts';

/** Between two faults, when a restart has delayed them. */
const apartMsMin = 250;
const triesAtEnd = 4;
const healMsMax = 30_000;
const fullMsMax = 40_000;
const fillEveryMs = 50;

export class Nemesis {
  readonly fired = new Map<FaultName, number>();
  /** What went wrong with the faults themselves, or shows that the cluster did not do as it should. */
  readonly violations: string[] = [];
  /** Kinds that this machine does not allow, and why. */
  readonly cannot = new Map<FaultName, string>();
  readonly operator: Operator;
  readonly #claims = new Set<string>();
  readonly #active = new Set<Promise<void>>();
  readonly #onRest = new Set<() => void>();
  readonly #begun = systemClock.monotonic();
  #isResting = false;

  constructor(
    private readonly bed: ChaosBed,
    private readonly history: History,
    private readonly chance: Seeded,
  ) {
    this.operator = new Operator(bed);
    if (bed.options.kinds.includes('full disk') && typeof bed.disk === 'string') this.cannot.set('full disk', bed.disk);
  }

  /** Resolves when the safety phase is over and nothing is broken any more. */
  async run(): Promise<void> {
    const { plan, safetyMs, kinds } = this.bed.options;
    for (const fault of plan) {
      const late = this.#elapsed() - fault.atMs;
      // Restarts have taken the time of the rest.
      if (this.#elapsed() > safetyMs) break;
      await delay(late < 0 ? -late : Math.min(late, apartMsMin));
      await this.#strike(fault);
    }
    await delay(Math.max(0, safetyMs - this.#elapsed()));
    for (const name of kinds) await this.#makeUp(name);
    this.#isResting = true;
    for (const wake of [...this.#onRest]) wake();
    await Promise.all(this.#active);
    await this.operator.unfreeze().catch(() => undefined);
  }

  /** A kind that could not be done at its time. */
  async #makeUp(name: FaultName): Promise<void> {
    const chance = this.chance.fork(`again ${name}`);
    const { bed } = this;
    const { profile, nodes, gateways } = bed.options;
    const parts: PlanParts = { ...bed.options, profile, nodes, gateways, faultEveryMs: 0 };
    for (let tries = 0; tries < triesAtEnd && !this.fired.has(name) && !this.cannot.has(name); tries++) {
      await this.operator.unfreeze().catch(() => undefined);
      // What is under way forbids another operation, and who starts has no connections yet.
      await until('the cluster to be quiet', healMsMax, async () => {
        const { operations } = await this.operator.cluster();
        return bed.file().state === 'ready' && !operations.some(isUnderWay);
      }).catch(() => undefined);
      await delay(apartMsMin);
      await this.#strike({ name, atMs: this.#elapsed(), act: drawAct(chance, name, parts) });
      await Promise.all(this.#active);
    }
    if (!this.fired.has(name) && !this.cannot.has(name))
      this.violations.push(`fault "${name}" was chosen and never happened`);
  }

  async #strike(fault: Fault): Promise<void> {
    const { act } = fault;
    if (act.do === 'restart') {
      await Promise.all(this.#active);
      await this.#carryOut(fault);
      return;
    }
    const claims = claimsOf(act);
    const taken = claims.find((name) => this.#claims.has(name));
    if (taken !== undefined) {
      this.#note(fault, `not now: ${taken} suffers already`);
      return;
    }
    for (const name of claims) this.#claims.add(name);
    const active = this.#carryOut(fault).finally(() => {
      for (const name of claims) this.#claims.delete(name);
      this.#active.delete(active);
    });
    this.#active.add(active);
  }

  async #carryOut(fault: Fault): Promise<void> {
    this.#note(fault, JSON.stringify(fault.act));
    try {
      const proof = await this.#inflict(fault.act, () =>
        this.fired.set(fault.name, (this.fired.get(fault.name) ?? 0) + 1),
      );
      this.#note(fault, `is over: ${proof}`);
    } catch (error) {
      this.#note(fault, `did not happen, or its end was not seen: ${(error as Error).message}`);
    }
  }

  /** `happened` is called once the kernel, a bridge or an answer has proved it. Returns the proof in words. */
  async #inflict(act: Act, happened: () => void): Promise<string> {
    const { bed, operator } = this;
    switch (act.do) {
      case 'kill':
        return this.#kill(act, happened);
      case 'stop':
        return this.#stop(act, happened);
      case 'cut': {
        const heal = await bed.bridges.cut(act);
        await this.#for(act.forMs);
        const { bytes, connections } = heal();
        if (bytes + connections === 0) throw new Error('nobody wanted to cross');
        happened();
        return `${bytes} bytes and ${connections} new connections did not get through`;
      }
      case 'break off': {
        const broken = await bed.bridges.breakOff(act.ways);
        if (broken === 0) throw new Error('there was no connection');
        happened();
        return `${broken} connections`;
      }
      case 'fill':
        return act.what === 'disk' ? this.#fillDisk(act.forMs, happened) : this.#fillJetStream(act.forMs, happened);
      case 'drain':
        return told(await operator.drain(act.node), happened);
      case 'move':
        return told(await operator.move(act.weights, act.canaryS), happened);
      case 'roll back':
        return told(await operator.rollBack(), happened);
      case 'freeze':
        return told(await operator.freeze(act.forS), happened);
      case 'restart':
        return this.#restart(act.how, happened);
      default:
        return act satisfies never;
    }
  }

  async #kill({ victims, awayMs }: Extract<Act, { do: 'kill' }>, happened: () => void): Promise<string> {
    const all = victims.map((name) => ({ name, victim: this.bed.victim(name) }));
    await Promise.all(all.map(({ victim }) => victim.kill()));
    happened();
    const proof = all.map(({ name, victim }) => `${name}, pid ${victim.pid}, gone`).join('; ');
    await this.#for(awayMs);
    await Promise.all(all.map(({ victim }) => victim.again()));
    return proof;
  }

  async #stop({ victims, forMs }: Extract<Act, { do: 'stop' }>, happened: () => void): Promise<string> {
    const all = victims.map((name) => ({ name, victim: this.bed.victim(name) }));
    const stopped: string[] = [];
    try {
      await Promise.all(all.map(({ victim }) => victim.pause()));
      happened();
      await this.#for(forMs);
    } finally {
      for (const { name, victim } of all)
        stopped.push(`${name}, pid ${victim.pid}, ${victim.resume() ? 'in state T until now' : 'killed meanwhile'}`);
    }
    return stopped.join('; ');
  }

  async #fillDisk(forMs: number, happened: () => void): Promise<string> {
    const { disk } = this.bed;
    if (typeof disk === 'string') throw new Error(disk);
    disk.fill();
    // What becomes free, such as a segment that could not be made, is taken too.
    const cancel = systemTimers.every(fillEveryMs, () => disk.fill());
    try {
      // What was made beforehand is used up first.
      const trouble = await until('the log to say that its disk is full', fullMsMax, () => this.#troubleOfLog());
      happened();
      await this.#for(forMs);
      return `ENOSPC; /readyz of the log: ${trouble}`;
    } finally {
      cancel();
      disk.free();
    }
  }

  async #troubleOfLog(): Promise<string | undefined> {
    const { json } = await callHttp(`http://127.0.0.1:${this.bed.portOf('log')}`, 'GET', '/readyz');
    const { checks } = json as { checks: { ok: boolean; detail?: string }[] };
    return checks.find(({ ok }) => !ok)?.detail;
  }

  async #fillJetStream(forMs: number, happened: () => void): Promise<string> {
    const junk = await JetStreamJunk.fill(this.bed.servers.nats.url);
    try {
      happened();
      await this.#for(forMs);
    } finally {
      await until('JetStream to have room again', healMsMax, () => junk.free().then(() => true));
      await junk.close();
    }
    return 'JetStream refused 64 bytes more';
  }

  async #restart(how: 'SIGTERM' | 'SIGKILL', happened: () => void): Promise<string> {
    const { bed } = this;
    const { cluster } = bed;
    const before = cluster.file();
    const pids = [before.supervisor.pid, ...before.processes.map(({ pid }) => pid)];
    if (how === 'SIGTERM') {
      const code = await cluster.stop();
      if (code !== 0) this.violations.push(`hunt up ended with ${code} on SIGTERM`);
    } else await cluster.killEverything();
    await until('every process of the cluster to be gone', healMsMax, () => {
      assertGone(pids);
      return true;
    });
    happened();
    bed.renewLocal();
    await cluster.restart();
    return `${pids.length} processes gone; there again after ${Math.round(cluster.readyAfterMs)} ms`;
  }

  /** That long, or until everything is to be whole. */
  #for(ms: number): Promise<void> {
    if (this.#isResting) return Promise.resolve();
    return new Promise((resolve) => {
      const over = (): void => {
        cancel();
        this.#onRest.delete(over);
        resolve();
      };
      const cancel = systemTimers.after(ms, over);
      this.#onRest.add(over);
    });
  }

  #elapsed(): number {
    return systemClock.monotonic() - this.#begun;
  }

  #note({ name }: Fault, what: string): void {
    this.history.note('nemesis', `${name}: ${what}`);
  }
}

function told(words: string, happened: () => void): string {
  happened();
  return words;
}

/** What suffers by it, and must not suffer anything else at the same time. */
function claimsOf(act: Act): string[] {
  switch (act.do) {
    case 'kill':
    case 'stop':
      return [...act.victims];
    case 'cut':
      // A server's start is waited for over its own bridge.
      return act.ways.map(({ bridge, traveller }) => (bridge === 'kafka' ? bridge : `${traveller ?? '*'} > ${bridge}`));
    case 'fill':
      return [act.what, 'nats'];
    default:
      return [];
  }
}
