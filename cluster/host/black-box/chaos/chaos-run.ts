/**
 * One run: a real cluster, its clients and its nemesis, from one seed. A safety phase in which everything may break; then a liveness
 * phase in which nothing does, and everything must be answered; then the verdict, by the simulation's checkers.
 */
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, type WriteStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkAlarms } from '../../../simulation/checkers/rule-checker.ts';
import type { Footing } from '../../../simulation/footing.ts';
import { History } from '../../../simulation/history.ts';
import { Seeded } from '../../../simulation/seeded.ts';
import { usPerMs } from '../../../simulation/sim-process.ts';
import { judgeRun } from '../../../simulation/verdict.ts';
import { Workload } from '../../../simulation/workload.ts';
import { until } from '../deadline.ts';
import { ChaosBed } from './bed.ts';
import { realGround } from './ground.ts';
import { Nemesis } from './nemesis.ts';
import { isUnderWay } from './operator.ts';
import type { ChaosOptions } from './options.ts';
import type { FaultName } from './plan.ts';
import { compareRows, ownFaults, readEvidence, verifyLog } from './settled.ts';

export interface ChaosReport {
  readonly options: ChaosOptions;
  /** In words; empty when all is well. */
  readonly violations: readonly string[];
  readonly fired: ReadonlyMap<FaultName, number>;
  readonly cannot: ReadonlyMap<FaultName, string>;
  readonly commands: number;
  readonly acks: number;
  readonly duplicates: number;
  readonly reconnects: number;
  readonly events: number;
  /** From the first sending to the last word, of the command that waited longest. */
  readonly longestWaitMs: number;
  /** Of a run that failed: history, logs, and what else is in the data folder. */
  readonly kept: string | undefined;
}

/** A machine that others use, too, and processes that start. */
const servesMsMax = 90_000;
const answeredMsMax = 30_000;
/** The claim of a gateway that died under a request passes on after 30 s; two may have died under one. */
const claimMsMax = 75_000;
/** A flushed Redis delays an alarm for no more than a minute. */
const alarmMsMax = 65_000;
const lagMsMax = 60_000;
const violationsKept = 200;

export async function runChaos(options: ChaosOptions, say: (line: string) => void): Promise<ChaosReport> {
  const bed = await ChaosBed.make(options);
  const folder = mkdtempSync(join(tmpdir(), `chaos-${options.profile}-${options.seed}-`));
  const file = createWriteStream(join(folder, 'history.log'));
  let report: ChaosReport | undefined;
  try {
    const run = new Run(bed, options, file, say);
    report = await run.report(folder);
    return report;
  } finally {
    await new Promise<void>((resolve) => file.end(resolve));
    if (report?.kept === undefined) rmSync(folder, { recursive: true, force: true });
    await bed.close();
  }
}

class Run {
  readonly violations: string[] = [];
  readonly ground: Footing;
  readonly history: History;
  readonly workload: Workload;
  readonly nemesis: Nemesis;

  constructor(
    readonly bed: ChaosBed,
    readonly options: ChaosOptions,
    file: WriteStream,
    say: (line: string) => void,
  ) {
    const chance = new Seeded(options.seed, `chaos ${options.profile} run`);
    this.ground = realGround({ portOf: (gateway) => bed.frontOf(gateway), mint: (claims) => bed.cluster.mint(claims) });
    this.history = new History(
      () => this.ground.now(),
      (line) => {
        file.write(`${line}\n`);
        if (/^\s*[\d.]+ (nemesis|chaos) /.test(line)) say(line);
      },
    );
    this.workload = new Workload(this.ground, this.history, chance.fork('workload'), options, bed.gateways);
    this.nemesis = new Nemesis(bed, this.history, chance.fork('nemesis'));
  }

  async report(folder: string): Promise<ChaosReport> {
    let events = 0;
    try {
      await this.nemesis.run();
      this.history.note('chaos', 'the safety phase is over');
      events = await this.#settle();
    } catch (error) {
      this.violations.push(`the run itself: ${(error as Error).stack}`);
      for (const device of this.workload.devices) device.stop();
    }
    const strays = this.bed.cluster.strays.map((line) => `hunt up --json wrote what is no JSON: ${line}`);
    const violations = [...this.nemesis.violations, ...this.violations, ...ownFaults(this.bed.dataDir), ...strays];
    for (const violation of violations.slice(0, violationsKept)) this.history.note('chaos', `VIOLATION ${violation}`);
    const { commands } = this.history;
    const acks = commands.flatMap(({ replies }) => replies.filter(({ kind }) => kind === 'ack'));
    if (acks.length === 0) violations.push('nothing was acknowledged: nobody has played');
    if (violations.length > 0) {
      mkdirSync(folder, { recursive: true });
      this.bed.keep(join(folder, 'data'));
    }
    const { options, nemesis, workload } = this;
    return {
      options,
      violations,
      fired: nemesis.fired,
      cannot: nemesis.cannot,
      commands: commands.length,
      acks: acks.length,
      duplicates: acks.filter((reply) => reply.kind === 'ack' && reply.duplicate).length,
      reconnects: workload.devices.reduce((sum, device) => sum + device.reconnects, 0),
      events,
      longestWaitMs: Math.max(
        0,
        ...commands.map(({ sentAt, answeredAt }) => ((answeredAt ?? sentAt) - sentAt) / usPerMs),
      ),
      kept: violations.length > 0 ? folder : undefined,
    };
  }

  /** The liveness phase and the verdict. Returns the number of events in the log. */
  async #settle(): Promise<number> {
    const { workload, bed, history, ground, nemesis } = this;
    workload.rest();
    const restedAt = ground.beganAt + ground.now() / usPerMs;
    await this.#within('the cluster serves', servesMsMax, () => this.#serves());
    await this.#within('every command is answered', answeredMsMax, () =>
      workload.unanswered.slice(0, 5).map(({ player, seq, action }) => `${player} seq ${seq} (${action.type})`),
    );
    await this.#within('every request is answered', claimMsMax, () =>
      workload.unansweredRequests === 0 ? [] : [`${workload.unansweredRequests} of designers`],
    );
    workload.wish();
    await this.#within('every hunt serves', answeredMsMax, () =>
      workload.unanswered.map(
        ({ hunt, player, replies }) => `hunt ${hunt}: ${player} ${JSON.stringify(replies.at(-1))}`,
      ),
    );
    await this.#within('everybody follows to the head', answeredMsMax, () => this.#stragglers());
    await this.#within('every alarm has fired', alarmMsMax, async () => {
      const late = await Promise.all(
        history.hunts.map(async ({ hunt, rules }) =>
          checkAlarms({ hunt, events: await nemesis.operator.events(hunt), stored: [], pages: [] }, rules, restedAt),
        ),
      );
      return late.flat();
    });
    await this.#within('projections are level with the log', lagMsMax, async () => {
      const { lag } = await nemesis.operator.cluster();
      return lag.projection.events + (lag.relay?.events ?? 0) === 0 ? [] : [JSON.stringify(lag)];
    });
    this.violations.push(...(await verifyLog(bed)));
    for (const device of workload.devices) device.stop();
    // From here on the log stands still.
    const nodes = bed.file().processes.filter(({ role }) => role === 'node');
    for (const { pid } of nodes) process.kill(pid, 'SIGSTOP');
    try {
      const evidence = await readEvidence(bed);
      this.violations.push(
        ...judgeRun(
          history,
          evidence,
          { nodes: [] },
          {
            nowMs: restedAt,
            isLossy: false,
            areClocksSound: true,
            beganAt: ground.beganAt,
          },
        ),
        ...this.#faultsOfOurs(),
        ...(await compareRows(bed, history, evidence)),
      );
      return [...evidence.hunts.values()].reduce((sum, { events }) => sum + events.length, 0);
    } finally {
      for (const { pid } of nodes) process.kill(pid, 'SIGCONT');
    }
  }

  /** `missing` is asked again and again; what it says last is the violation. */
  async #within(
    what: string,
    ms: number,
    missing: () => readonly string[] | Promise<readonly string[]>,
  ): Promise<void> {
    const began = this.ground.now();
    let last: readonly string[] = [];
    try {
      await until(what, ms, async () => {
        last = await missing();
        return last.length === 0;
      });
    } catch (error) {
      this.violations.push(`liveness: ${what} not within ${ms} ms: ${last.join(', ') || (error as Error).message}`);
    }
    this.history.note('chaos', `${what}: ${((this.ground.now() - began) / usPerMs).toFixed(0)} ms`);
  }

  /** Every process is there, and every node a member. */
  async #serves(): Promise<string[]> {
    const { bed, nemesis } = this;
    const file = bed.file();
    const away = file.processes.filter(({ state }) => state !== 'up').map(({ name, state }) => `${name} is ${state}`);
    if (file.state !== 'ready' || away.length > 0) return [`cluster.json says ${file.state}`, ...away];
    const { nodes, operations } = await nemesis.operator.cluster();
    return [
      ...nodes.filter(({ state }) => state !== 'active').map(({ id, state }) => `${id} is ${state}`),
      ...operations.filter(isUnderWay).map(({ id, state }) => `operation ${id} is ${state}`),
    ];
  }

  /** Who follows a hunt in `all` and does not hold the highest version that anybody was told of. */
  #stragglers(): string[] {
    const heads = new Map<number, number>();
    for (const { hunt, replies } of this.history.commands)
      for (const { version = 0 } of replies) heads.set(hunt, Math.max(heads.get(hunt) ?? 0, version));
    return this.workload.devices.flatMap(({ judge, parts }) => {
      const head = heads.get(parts.hunt) ?? 0;
      if (judge.isLive && (judge.mode === 'own' || (judge.cursor ?? 0) >= head)) return [];
      return [`${parts.tag} ${judge.isLive ? 'live' : 'not live'} at ${judge.cursor} of ${head}`];
    });
  }

  /** No fault outside of our code may be told as one of it. */
  #faultsOfOurs(): string[] {
    return this.history.commands.flatMap(({ hunt, player, seq, replies }) =>
      replies.flatMap((reply) =>
        reply.kind === 'nack' && (reply.code === 'INTERNAL' || reply.code === 'HUNT_UNREADABLE')
          ? [`hunt ${hunt}: ${player} seq ${seq} was answered with ${reply.code}`]
          : [],
      ),
    );
  }
}
