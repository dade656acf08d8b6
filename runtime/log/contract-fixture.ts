/** What the contract suites need of an adapter, and the words that they share. Test code. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type StreamId, slotCount, type Version } from '../../proto/ids.ts';
import type { AppendOutcome, EventLog, LogRecord } from './event-log.ts';
import type { Feed } from './feed.ts';
import type { PageStore } from './page-store.ts';

export interface LogFixture<L> {
  /** A new client, as a process of its own would have one. */
  open(): Promise<L>;
  /** Ends the backend as hard as it can and starts it again on the same data; resolves when it serves. */
  restartServer?(): Promise<void>;
  /** Lets a child process open the log: a module with `open(args): Promise<EventLog>`. */
  readonly opener?: { readonly module: string; readonly args: unknown };
  /** Absent: `take` fences at once. `as_learned`: the weaker form that {@link EventLog.take} describes. */
  readonly fencing?: 'as_learned';
  close(): Promise<void>;
}

export type AnyLog = EventLog & Partial<Feed> & Partial<PageStore>;

let last = Date.now() % 2 ** 30;

/** A stream that nobody has written yet. */
export function freshStream(slot: number, kind = 'hunt'): StreamId {
  last++;
  return { kind, id: last * slotCount + slot };
}

export const version = (number: number): Version => number as Version;
export const bytesOf = (text: string): Buffer => Buffer.from(text, 'utf8');
export const textOf = (record: LogRecord): string => Buffer.from(record.bytes).toString('utf8');

/** Waits for a condition, and says what it waited for when it does not come. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  withinMs = 10_000,
): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited ${withinMs} ms for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export async function readAll(log: EventLog, stream: StreamId, from = 1, bytesMax?: number): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for (let next: Version | undefined = version(from); next !== undefined; ) {
    const page: Awaited<ReturnType<EventLog['read']>> = await log.read(stream, next, bytesMax);
    records.push(...page.records);
    next = page.next;
  }
  return records;
}

/** Repeatable "random" numbers: the seed is in the test's name. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A writer in a process of its own, that can be stopped and woken. */
export class WriterProcess {
  #number = 0;
  readonly #answers = new Map<number, (answer: unknown) => void>();

  private constructor(readonly child: ChildProcess) {
    child.on('message', (message: { number: number; answer: unknown }) => {
      this.#answers.get(message.number)?.(message.answer);
      this.#answers.delete(message.number);
    });
  }

  static async start(opener: { module: string; args: unknown }): Promise<WriterProcess> {
    const child = fork(fileURLToPath(new URL('./writer-child.js', import.meta.url)), [
      opener.module,
      JSON.stringify(opener.args),
    ]);
    const writer = new WriterProcess(child);
    await writer.#ask({ call: 'ready' });
    return writer;
  }

  #ask(message: object): Promise<unknown> {
    const number = ++this.#number;
    return new Promise((resolve) => {
      this.#answers.set(number, resolve);
      this.child.send({ number, ...message });
    });
  }

  take(slot: number, epoch: number): Promise<unknown> {
    return this.#ask({ call: 'take', slot, epoch });
  }

  append(stream: StreamId, expected: number, text: string): Promise<AppendOutcome> {
    return this.#ask({ call: 'append', stream, expected, text }) as Promise<AppendOutcome>;
  }

  stop(): void {
    this.child.kill('SIGSTOP');
  }

  wake(): void {
    this.child.kill('SIGCONT');
  }

  async end(): Promise<void> {
    this.wake();
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await gone;
  }
}
