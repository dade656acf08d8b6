/**
 * A desk with one worker thread behind it, for what would hold up the players of a gateway. Owns the thread: started by
 * the first job, ended when it has been idle or a job goes beyond its bounds. Does not own: what the jobs are; they talk
 * to the script by messages, one at a time.
 * Invariants: one job at a time, in the order of arrival; the backlog, a job's time and the thread's memory are bounded
 * (I5); a job ends by its answer or by a {@link DeskError}, whatever happens to the thread.
 */
import { Worker } from 'node:worker_threads';
import type { Timers } from '../../runtime/kernel/timer.ts';

export interface DeskBounds {
  readonly jobMsMax: number;
  /** Jobs that wait behind the one under way. */
  readonly backlogMax: number;
  readonly heapMiBMax: number;
}

/** The thread is kept so long without a job. */
const idleMsMax = 60_000;

export type DeskFault = 'full' | 'time' | 'memory' | 'broken' | 'closed';

export class DeskError extends Error {
  override readonly name = 'DeskError';
  constructor(
    readonly fault: DeskFault,
    cause?: unknown,
  ) {
    super(`the desk is or was ${fault}`, { cause });
  }
}

/** Sends one message to the thread; its answer. */
export type Ask = (message: unknown) => Promise<unknown>;
/** What the thread answers. */
export type DeskAnswer = { readonly answer: unknown } | { readonly fault: string };

interface Waiting {
  begin(): void;
  refuse(error: DeskError): void;
}

export class WorkerDesk {
  readonly #waiting: Waiting[] = [];
  #worker: Worker | undefined;
  #busy = false;
  #closed = false;
  #cancelIdle: (() => void) | undefined;
  /** Of the message under way. */
  #answer: ((answer: DeskAnswer) => void) | undefined;
  /** Of the job under way: ends it, whatever it waits for. */
  #fail: ((error: DeskError) => void) | undefined;

  constructor(
    private readonly script: URL,
    private readonly timers: Timers,
    private readonly bounds: DeskBounds,
  ) {}

  /** Rejects with a {@link DeskError}, or with what the job rejects with. */
  run<T>(job: (ask: Ask) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closed) return reject(new DeskError('closed'));
      if (this.#waiting.length >= this.bounds.backlogMax) return reject(new DeskError('full'));
      this.#waiting.push({ begin: () => void this.#do(job).then(resolve, reject), refuse: reject });
      this.#next();
    });
  }

  close(): void {
    this.#closed = true;
    this.#cancelIdle?.();
    for (const waiting of this.#waiting.splice(0)) waiting.refuse(new DeskError('closed'));
    this.#end(new DeskError('closed'));
  }

  #next(): void {
    if (this.#busy) return;
    const next = this.#waiting.shift();
    if (next === undefined) return;
    this.#busy = true;
    this.#cancelIdle?.();
    next.begin();
  }

  async #do<T>(job: (ask: Ask) => Promise<T>): Promise<T> {
    const failure = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    const cancel = this.timers.after(this.bounds.jobMsMax, () => this.#end(new DeskError('time')));
    try {
      return await Promise.race([job((message) => this.#ask(message)), failure]);
    } finally {
      cancel();
      this.#fail = undefined;
      this.#answer = undefined;
      this.#busy = false;
      if (!this.#closed) this.#cancelIdle = this.timers.after(idleMsMax, () => this.#end(new DeskError('closed')));
      this.#next();
    }
  }

  #ask(message: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#answer = (told) => {
        this.#answer = undefined;
        if ('answer' in told) resolve(told.answer);
        else reject(new DeskError('broken', told.fault));
      };
      this.#worker ??= this.#start();
      this.#worker.postMessage(message);
    });
  }

  #start(): Worker {
    const worker = new Worker(this.script, { resourceLimits: { maxOldGenerationSizeMb: this.bounds.heapMiBMax } });
    // A gateway that has nothing else to do may end.
    worker.unref();
    worker.on('message', (told: DeskAnswer) => {
      if (worker === this.#worker) this.#answer?.(told);
    });
    worker.on('error', (error: Error & { code?: string }) => {
      if (worker === this.#worker)
        this.#end(new DeskError(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'memory' : 'broken', error));
    });
    worker.on('exit', () => {
      if (worker === this.#worker) this.#end(new DeskError('broken'));
    });
    return worker;
  }

  /** Ends the thread, and with it the job under way; the next job gets a new thread. */
  #end(error: DeskError): void {
    const worker = this.#worker;
    this.#worker = undefined;
    this.#fail?.(error);
    void worker?.terminate();
  }
}
