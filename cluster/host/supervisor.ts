/**
 * `hunt up`: every process of a cluster on this machine.
 *
 * Owns: the data folder's lock, the children, cluster.json. Forms the cluster in the log before any node starts.
 * Does not own: what the children do. It serves no player and may be killed: the children then end themselves, and the
 * next start goes on where the log is.
 */
import type { Tokens } from '../../gateway/token/tokens.ts';
import type { Clock } from '../../runtime/kernel/clock.ts';
import type { Random } from '../../runtime/kernel/random.ts';
import type { Timers } from '../../runtime/kernel/timer.ts';
import { isDiskTrouble } from '../../runtime/log/embedded/disk.ts';
import { form } from '../formation.ts';
import { ViewLog } from '../view-log.ts';
import { type Backend, connectBackend } from './backend.ts';
import { Child, type ChildPlan } from './child.ts';
import { hasDemo, nodeIds, type Plans, planDemo } from './child-plans.ts';
import { type ClusterFile, clusterFilePath, writeClusterFile } from './cluster-file.ts';
import type { Config } from './config.ts';
import type { DataLock } from './data-lock.ts';
import { rotateIfLarge, tail } from './log-file.ts';
import { ReadyRule } from './ready-rule.ts';
import { tokenKeyFile } from './secrets.ts';

/** The log may have a long tail to check before it serves. */
const logStartMs = 60_000;
/** A child that never became ready in so many tries will not. */
const startTriesMax = 5;
const formMs = 20_000;
/** Together below the 30 s in which `hunt up` ends. */
const stopMs: Readonly<Record<ChildPlan['layer'], number>> = { edge: 8_000, core: 8_000, ground: 9_000 };
/** Changes that come together are written together. */
const writeDelayMs = 15;
const rewriteMs = 1_000;
const rotateEveryMs = 60_000;
const tokenMs = 30 * 24 * 3_600_000;
const mintEveryMs = 24 * 3_600_000;

export type UpEvent =
  | { readonly event: 'starting'; readonly file: string; readonly pid: number }
  | {
      readonly event: 'process';
      readonly name: string;
      readonly role: string;
      readonly pid: number;
      readonly state: string;
      readonly restarts: number;
    }
  | ({ readonly event: 'ready'; readonly file: string } & Omit<ClusterFile, 'tokens'>)
  | { readonly event: 'stopping'; readonly reason: string }
  | { readonly event: 'stopped' };

export interface SupervisorPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly timers: Timers;
  readonly tokens: Tokens;
  readonly lock: DataLock;
  /** Somebody looks at our stderr: the demo's scoreboard may stand there. */
  readonly showDemo: boolean;
  emit(event: UpEvent): void;
  /** For people. */
  say(sentence: string): void;
}

/** A child could not be started at all. `message` is for people; `exitCode` is the child's. */
export class StartError extends Error {
  override readonly name = 'StartError';
  constructor(
    message: string,
    readonly exitCode: number,
  ) {
    super(message);
  }
}

export class Supervisor {
  readonly #config: Config;
  readonly #plans: Plans;
  readonly #ports: SupervisorPorts;
  readonly #children: Child[] = [];
  readonly #generation: number;
  readonly #startedAt: number;
  readonly #waiting = new Set<() => void>();
  readonly #cancels: (() => void)[] = [];
  #tokens = { operator: '', designer: '' };
  #state: ClusterFile['state'] = 'starting';
  #backend: Backend | undefined;
  #viewLog: ViewLog | undefined;
  #writePending = false;
  #isUnwritten = false;
  #everReady = false;
  #allStarted = false;
  readonly #rule: ReadyRule;

  constructor(config: Config, plans: Plans, generation: number, ports: SupervisorPorts) {
    this.#config = config;
    this.#plans = plans;
    this.#ports = ports;
    this.#generation = generation;
    this.#startedAt = ports.clock.now();
    this.#rule = new ReadyRule({
      timers: ports.timers,
      say: (sentence) => ports.say(sentence),
      over: () => this.#changed(),
    });
    this.#cancels.push(() => this.#rule.close());
  }

  /** Resolves when the cluster is ready. Rejects with {@link StartError} when a child refuses to start. */
  async start(): Promise<void> {
    const { config, timers } = { config: this.#config, timers: this.#ports.timers };
    await this.#mint();
    this.#write();
    this.#ports.emit({ event: 'starting', file: clusterFilePath(config.dataDir), pid: process.pid });
    this.#cancels.push(
      timers.every(rotateEveryMs, () => this.#rotate()),
      timers.every(mintEveryMs, () => void this.#mint().then(() => this.#changed())),
    );

    for (const sentence of this.#plans.missing) this.#ports.say(sentence);
    if (this.#plans.log !== undefined) {
      const log = this.#add(this.#plans.log);
      await this.#until(() => log.up, logStartMs, 'the log process to start');
    }
    await this.#form();
    for (const plan of [...this.#plans.nodes, ...this.#plans.gateways, ...this.#plans.others]) this.#add(plan);
    this.#allStarted = true;
    this.#changed();
    await this.#until(() => this.#state === 'ready', undefined, 'the cluster to be ready');
    if (config.demo && hasDemo()) this.#add(planDemo(config, this.#ports.showDemo));
  }

  /** Gateways first, so that no player meets a node that is gone; the log last. */
  async stop(reason: string): Promise<void> {
    if (this.#state === 'stopping') return;
    this.#state = 'stopping';
    this.#ports.emit({ event: 'stopping', reason });
    this.#write();
    for (const cancel of this.#cancels) cancel();
    const stopAll = (layer: ChildPlan['layer']) =>
      Promise.all(
        this.#children.filter((child) => child.plan.layer === layer).map((child) => child.stop(stopMs[layer])),
      );
    await stopAll('edge');
    await stopAll('core');
    this.#viewLog?.close();
    await this.#backend?.close();
    await stopAll('ground');
    this.#write();
    this.#ports.lock.release();
    this.#ports.emit({ event: 'stopped' });
  }

  get file(): ClusterFile {
    const config = this.#config;
    const { http = '', grpc = '' } = this.#plans.gateways[0] ?? {};
    return {
      schema: 'hunt-cluster/1',
      cluster: config.cluster,
      profile: config.profile,
      state: this.#state,
      generation: this.#generation,
      data_dir: config.dataDir,
      cwd: process.cwd(),
      argv: [...process.argv],
      supervisor: { pid: process.pid, started_at: this.#startedAt },
      urls: { http, ws: `${http.replace(/^http/, 'ws')}/v1/socket`, grpc, console: `${http}/console` },
      processes: this.#children.map((child) => ({
        name: child.plan.name,
        role: child.plan.role,
        pid: child.pid,
        state: child.shown,
        restarts: child.restarts,
        started_at: child.startedAt,
        ...(child.plan.http === undefined ? {} : { http: child.plan.http }),
        ...(child.plan.grpc === undefined ? {} : { grpc: child.plan.grpc }),
        log: child.plan.logFile,
      })),
      token_key_file: tokenKeyFile(config),
      tokens: this.#tokens,
    };
  }

  async #mint(): Promise<void> {
    const { tokens, clock } = this.#ports;
    if (!tokens.mints) return;
    const expiresAt = clock.now() + tokenMs;
    this.#tokens = {
      operator: await tokens.mintToken({ sub: 'operator', role: 'operator', expiresAt }),
      designer: await tokens.mintToken({ sub: 'designer', role: 'designer', expiresAt }),
    };
  }

  async #form(): Promise<void> {
    const { clock, random, timers } = this.#ports;
    this.#backend = await connectBackend(this.#config, {
      info: (_facts, sentence) => this.#ports.say(sentence),
      warn: (_facts, sentence) => this.#ports.say(sentence),
    });
    const viewLog = await ViewLog.open({ ...this.#backend, clock, random, timers });
    this.#viewLog = viewLog;
    viewLog.onChange(() => this.#changed());
    const formation = {
      cluster: this.#config.cluster,
      profile: this.#config.profile,
      members: nodeIds(this.#config),
      weight: this.#config.weight,
    };
    await viewLog.append(form({ ...formation, lineage: random.token(12) }), {
      deadlineMs: formMs,
      reason: 'start',
    });
  }

  #rotate(): void {
    for (const child of this.#children) rotateIfLarge(child.plan.logFile);
  }

  #add(plan: ChildPlan): Child {
    const { clock, timers, lock, emit } = this.#ports;
    let noted = 0;
    const child = new Child(plan, {
      clock,
      timers,
      respawn: this.#config.respawn,
      changed: (changed) => {
        if (changed.running && noted !== changed.pid) {
          noted = changed.pid;
          lock.noteChild(plan.name, changed.pid);
        }
        if (!changed.running) lock.forgetChild(plan.name);
        if (changed.isResting)
          this.#ports.say(`${plan.name} ended ${changed.lastEnd} and is started again: ${plan.logFile} may say why`);
        emit({
          event: 'process',
          name: plan.name,
          role: plan.role,
          pid: changed.pid,
          state: changed.shown,
          restarts: changed.restarts,
        });
        this.#changed();
      },
    });
    this.#children.push(child);
    child.start();
    return child;
  }

  #changed(): void {
    const ready = this.#allStarted && this.#rule.isReady(this.#children, this.#viewLog?.view);
    if (this.#state === 'starting' && ready) {
      this.#state = 'ready';
      this.#everReady = true;
      this.#write();
      const { tokens: _tokens, ...rest } = this.file;
      this.#ports.emit({ event: 'ready', file: clusterFilePath(this.#config.dataDir), ...rest });
    } else {
      if (this.#state === 'ready' && !ready) this.#state = 'starting';
      this.#writeSoon();
    }
    for (const look of [...this.#waiting]) look();
  }

  #until(done: () => boolean, ms: number | undefined, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => {
        this.#waiting.delete(look);
        cancel?.();
        settle();
      };
      const look = () => {
        if (done()) return end(resolve);
        if (this.#state === 'stopping') return end(() => reject(new StartError('stopped while starting', 0)));
        // A wrong configuration does not get better by trying again; anything else may.
        const refused = this.#children.find(
          (child) =>
            !child.everReady &&
            child.plan.need === 'essential' &&
            (child.lastCode === 2 || child.gone || child.restarts >= startTriesMax),
        );
        if (refused !== undefined && !this.#everReady) {
          end(() =>
            reject(
              new StartError(
                `${refused.plan.name} did not start:\n${tail(refused.plan.logFile)}`,
                refused.lastCode ?? 1,
              ),
            ),
          );
        }
      };
      const cancel =
        ms === undefined
          ? undefined
          : this.#ports.timers.after(ms, () =>
              end(() => reject(new StartError(`waited ${ms} ms for ${what}:\n${this.#logTail()}`, 1))),
            );
      this.#waiting.add(look);
      look();
    });
  }

  #logTail(): string {
    return this.#plans.log === undefined ? '' : tail(this.#plans.log.logFile);
  }

  #writeSoon(): void {
    if (this.#writePending) return;
    this.#writePending = true;
    this.#ports.timers.after(writeDelayMs, () => {
      this.#writePending = false;
      this.#write();
    });
  }

  /** A full disk ends nobody: the file is of before until there is room, and processes run on. */
  #write(): void {
    try {
      writeClusterFile(this.file);
      this.#isUnwritten = false;
    } catch (error) {
      if (!isDiskTrouble(error)) throw error;
      if (!this.#isUnwritten)
        this.#ports.say(
          `${clusterFilePath(this.#config.dataDir)} cannot be written (${(error as Error).message}): free space on its disk; meanwhile it says what was before`,
        );
      this.#isUnwritten = true;
      if (this.#state !== 'stopping') this.#ports.timers.after(rewriteMs, () => this.#writeSoon());
    }
  }
}
