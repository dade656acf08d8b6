/** A log process in a folder of its own, which tests kill and start again. Test code. */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LogFixture } from '../contract-fixture.ts';
import { EmbeddedLog } from './client.ts';

export interface LogProcessOptions {
  readonly sync?: 'power' | 'process';
  readonly segmentBytes?: number;
  readonly indexFlushMs?: number;
  readonly tailCacheBytes?: number;
  readonly streamsInMemory?: number;
}

export class LogProcess implements LogFixture<EmbeddedLog> {
  #child: ChildProcess | undefined;
  readonly said: string[] = [];
  readonly opener: { module: string; args: unknown };

  private constructor(
    readonly dir: string,
    private readonly options: LogProcessOptions,
  ) {
    this.opener = { module: new URL('./client.js', import.meta.url).href, args: { socketPath: this.socketPath } };
  }

  static async start(options: LogProcessOptions = {}): Promise<LogProcess> {
    const log = new LogProcess(await mkdtemp(join(tmpdir(), 'hunt-log-')), options);
    await log.start();
    return log;
  }

  get socketPath(): string {
    return join(this.dir, 'log.sock');
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): Promise<void> {
    return this.#start({}, (child) => {
      this.#child = child;
    });
  }

  /** A second process on the same folder: rejects with what it said when it gave up. */
  startSecond(): Promise<void> {
    return this.#start({ socketPath: `${this.socketPath}2`, lockPatienceMs: 100 }, () => undefined);
  }

  #start(more: object, keep: (child: ChildProcess) => void): Promise<void> {
    const { dir, socketPath } = this;
    const options = JSON.stringify({
      dir,
      socketPath,
      sync: 'power',
      segmentBytes: 256 * 1024,
      indexFlushMs: 200,
      ...this.options,
      ...more,
    });
    const child = fork(fileURLToPath(new URL('./log-process.child.js', import.meta.url)), [options]);
    keep(child);
    return new Promise((resolve, reject) => {
      child.once('exit', () =>
        reject(new Error(`the log process ended before it served (${this.said.at(-1) ?? 'it said nothing'})`)),
      );
      child.on('message', (message: { serves?: true; failed?: string; said?: string }) => {
        if (message.said !== undefined) this.said.push(message.said);
        if (message.serves) resolve();
        if (message.failed !== undefined) reject(new Error(message.failed));
      });
    });
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  /** Ends it in order. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.send('close');
    await gone;
  }

  async restartServer(): Promise<void> {
    await this.kill();
    await this.start();
  }

  open(): Promise<EmbeddedLog> {
    return EmbeddedLog.connect({ socketPath: this.socketPath });
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.dir, { recursive: true, force: true });
  }
}
