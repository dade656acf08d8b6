import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { GuardOrder, GuardReport, SpawnOrder } from './guard.ts';

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface Spawned {
  readonly pid: number;
  readonly exited: Promise<Exit>;
}

interface Waiting {
  done(report: GuardReport): void;
  failed(error: Error): void;
}

/** This process's one guard, started with the first server; it does not keep the process alive. */
class GuardLink {
  #number = 0;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #exits = new Map<number, (exit: Exit) => void>();

  constructor() {
    // Detached: Ctrl-C in a terminal reaches the whole group, and the guard must outlive who it guards for.
    this.#child = fork(fileURLToPath(new URL('./guard.js', import.meta.url)), {
      detached: true,
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child.on('message', (report: GuardReport) => this.#onReport(report));
    this.#child.once('exit', (code, signal) => {
      for (const { failed } of this.#waiting.values()) failed(new Error(`the guard ended (${code ?? signal})`));
      this.#waiting.clear();
    });
    this.#child.unref();
    this.#child.channel?.unref();
  }

  async spawn(order: SpawnOrder): Promise<Spawned> {
    const report = await this.#ask((number) => ({ number, kind: 'spawn', order }));
    if (report.kind !== 'spawned') throw new Error(`the guard answered ${report.kind}`);
    const { pid } = report;
    // Registered in the turn of the report: the exit's report comes later on the same channel.
    return { pid, exited: this.#exitOf(pid) };
  }

  async remove(folder: string): Promise<void> {
    await this.#ask((number) => ({ number, kind: 'remove', folder }));
  }

  readonly #exited = new Map<number, Promise<Exit>>();

  #exitOf(pid: number): Promise<Exit> {
    const exited = this.#exited.get(pid);
    if (exited === undefined) throw new Error(`process ${pid} is not known`);
    this.#exited.delete(pid);
    return exited;
  }

  #ask(order: (number: number) => GuardOrder): Promise<GuardReport> {
    const number = ++this.#number;
    return new Promise((done, failed) => {
      this.#waiting.set(number, { done, failed });
      // Whoever waits for an answer keeps the process alive until it is here.
      this.#child.channel?.ref();
      this.#child.send(order(number));
    });
  }

  #onReport(report: GuardReport): void {
    if (report.kind === 'exited') {
      this.#exits.get(report.pid)?.({ code: report.code, signal: report.signal });
      this.#exits.delete(report.pid);
      return;
    }
    if (report.kind === 'spawned') {
      this.#exited.set(report.pid, new Promise((resolve) => this.#exits.set(report.pid, resolve)));
    }
    const waiting = this.#waiting.get(report.number);
    this.#waiting.delete(report.number);
    if (this.#waiting.size === 0) this.#child.channel?.unref();
    if (report.kind === 'failed') waiting?.failed(new Error(report.reason));
    else waiting?.done(report);
  }
}

let link: GuardLink | undefined;

export function guard(): GuardLink {
  link ??= new GuardLink();
  return link;
}
