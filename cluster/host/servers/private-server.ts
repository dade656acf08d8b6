/**
 * A server of a test's own: free port, own folder, ended for certain (guard.ts). Test code.
 *
 * Owns: one process (with its children), its port, its folder. `kill` and `pause` are what a fault test does to it.
 */
import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemRandom } from '../../../runtime/kernel/random.ts';
import { Ports } from '../ports.ts';
import { guard, type Spawned } from './guard-link.ts';
import { runs, signalTree } from './process-tree.ts';

export interface PrivateServer {
  readonly url: string;
  /** Of the running process; of the last one while none runs. */
  readonly pid: number;
  /** SIGKILL to it and all that it started; resolves when they are gone. */
  kill(): Promise<void>;
  /** SIGTERM, and SIGKILL when that takes too long. */
  stop(): Promise<void>;
  /** Again, on the same port and data; resolves when it serves. */
  start(): Promise<void>;
  /** SIGSTOP to it and all that it started. */
  pause(): void;
  resume(): void;
  /** Killed, and its folder removed. */
  close(): Promise<void>;
}

export interface ServerPlan {
  readonly name: string;
  readonly url: string;
  readonly folder: string;
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly account?: { readonly uid: number; readonly gid: number };
  /** The signal that ends it in good order. */
  readonly endSignal?: NodeJS.Signals;
  /** Throws, or never comes back, as long as it does not serve. Asked again and again. */
  serves(): Promise<void>;
}

const startMaxMs = 60_000;
const answerMaxMs = 5_000;
const stopMaxMs = 15_000;
const goneMaxMs = 10_000;
const pollMs = 10;
const logShownBytes = 2_000;

const ports = new Ports('127.0.0.1', systemRandom);
export const freePort = (): Promise<number> => ports.any();

/** Where a server keeps everything; `label` shows whose it is. */
export function serverFolder(label: string): string {
  const folder = mkdtempSync(join(tmpdir(), `hunt-${label}-`));
  mkdirSync(join(folder, 'data'));
  return folder;
}

export class GuardedServer implements PrivateServer {
  #process: Spawned | undefined;
  #pid = 0;
  #ended: string | undefined;

  constructor(readonly plan: ServerPlan) {}

  get url(): string {
    return this.plan.url;
  }
  get pid(): number {
    return this.#pid;
  }
  get folder(): string {
    return this.plan.folder;
  }
  get logFile(): string {
    return join(this.plan.folder, `${this.plan.name}.log`);
  }

  async start(): Promise<void> {
    if (this.#process !== undefined) throw new Error(`${this.plan.name} runs already, as process ${this.#pid}`);
    const { argv, folder, env, account } = this.plan;
    this.#ended = undefined;
    const spawned = await guard().spawn({
      argv,
      folder,
      logFile: this.logFile,
      ...(env === undefined ? {} : { env }),
      ...(account === undefined ? {} : { account }),
    });
    this.#process = spawned;
    this.#pid = spawned.pid;
    void spawned.exited.then(({ code, signal }) => {
      if (this.#process !== spawned) return;
      this.#process = undefined;
      this.#ended = `ended with ${code ?? signal}`;
    });
    await this.#untilItServes();
  }

  async kill(): Promise<void> {
    const spawned = this.#process;
    if (spawned === undefined) return;
    const tree = signalTree(spawned.pid, 'SIGKILL');
    await within(goneMaxMs, spawned.exited);
    await eventually(
      `all processes of ${this.plan.name} to be gone`,
      async () => {
        const left = tree.find(runs);
        if (left !== undefined) throw new Error(`process ${left} is there`);
      },
      goneMaxMs,
    );
  }

  async stop(): Promise<void> {
    const spawned = this.#process;
    if (spawned === undefined) return;
    process.kill(spawned.pid, this.plan.endSignal ?? 'SIGTERM');
    const timeout = new AbortController();
    await Promise.race([
      spawned.exited,
      sleep(stopMaxMs, undefined, { signal: timeout.signal }).catch(() => undefined),
    ]);
    timeout.abort();
    await this.kill();
  }

  pause(): void {
    if (this.#process !== undefined) signalTree(this.#pid, 'SIGSTOP');
  }

  resume(): void {
    if (this.#process !== undefined) signalTree(this.#pid, 'SIGCONT');
  }

  async close(): Promise<void> {
    await this.kill();
    await guard().remove(this.plan.folder);
  }

  async #untilItServes(): Promise<void> {
    try {
      await eventually(`${this.plan.name} to serve`, () => {
        if (this.#ended !== undefined) throw new Over(`${this.plan.name} ${this.#ended}`);
        return this.plan.serves();
      });
    } catch (error) {
      await this.kill();
      throw new Error(`${(error as Error).message}: ${this.#logTail()}`);
    }
  }

  #logTail(): string {
    try {
      return readFileSync(this.logFile, 'utf8').slice(-logShownBytes);
    } catch {
      return 'it wrote no log';
    }
  }
}

/** Ends the waiting: what is waited for can come no more. */
class Over extends Error {}

/** Tries again until it does not throw; a try that hangs counts as one that failed. */
export async function eventually(what: string, attempt: () => Promise<void>, maxMs = startMaxMs): Promise<void> {
  for (const deadline = Date.now() + maxMs; ; await sleep(pollMs)) {
    try {
      await within(answerMaxMs, attempt());
      return;
    } catch (error) {
      if (error instanceof Over) throw error;
      if (Date.now() > deadline) throw new Error(`waited ${maxMs} ms for ${what}: ${(error as Error).message}`);
    }
  }
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  const timeout = new AbortController();
  const late = sleep(ms, undefined, { signal: timeout.signal }).then(() => {
    throw new Error(`no answer in ${ms} ms`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    timeout.abort();
  }
}
