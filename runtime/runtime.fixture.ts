/** A node's runtime over a log and a page store in memory, on a clock that the test drives. */
import type { Slot, StreamId } from '../proto/ids.ts';
import { slotOf } from '../proto/ids.ts';
import { decodeRecord } from './activation/record.ts';
import type { ReplySink } from './command/request.ts';
import {
  type CounterAction,
  type CounterEvent,
  type CounterReply,
  counterKind,
  counterReply,
  counterRequest,
} from './counter.fixture.ts';
import type { ActorLimits } from './define-actor.ts';
import type { Cancel, Timers } from './kernel/timer.ts';
import { MemoryLog } from './log/memory/memory-log.ts';
import { MemoryPageStore } from './log/memory/memory-page-store.ts';
import { ActorHost, type ActorHostOptions } from './slot/actor-host.ts';

/** A clock and timers that move only when told to. `soon` runs in the real loop, so that promises settle in between. */
export class TestTime {
  wall = 1_700_000_000_000;
  mono = 1_000;
  #timers: { at: number; run: () => void; every: number | undefined }[] = [];

  readonly clock = { now: () => this.wall, monotonic: () => this.mono };
  readonly timers: Timers = {
    after: (ms, run) => this.#add(ms, run, undefined),
    every: (ms, run) => this.#add(ms, run, ms),
    soon: (run) => void setImmediate(run),
  };

  /** Lets time pass, in steps small enough that nobody takes it for a jump. */
  async advance(ms: number): Promise<void> {
    const end = this.mono + ms;
    while (this.mono < end) {
      const step = Math.min(200, end - this.mono);
      this.mono += step;
      this.wall += step;
      this.fire();
      await settle();
    }
  }

  fire(): void {
    for (const timer of [...this.#timers]) {
      if (timer.at > this.mono || !this.#timers.includes(timer)) continue;
      if (timer.every === undefined) this.#timers.splice(this.#timers.indexOf(timer), 1);
      else timer.at = this.mono + timer.every;
      timer.run();
    }
  }

  #add(ms: number, run: () => void, every: number | undefined): Cancel {
    const timer = { at: this.mono + ms, run, every };
    this.#timers.push(timer);
    return () => {
      const at = this.#timers.indexOf(timer);
      if (at !== -1) this.#timers.splice(at, 1);
    };
  }
}

/** Lets everything happen that is not waiting for time. */
export async function settle(rounds = 20): Promise<void> {
  for (let i = 0; i < rounds; i++) await new Promise((resolve) => setImmediate(resolve));
}

export async function until(what: string, condition: () => boolean, rounds = 5_000): Promise<void> {
  for (let i = 0; i < rounds; i++) {
    if (condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`waited in vain for ${what}`);
}

export const counterId = 256 + 7;
export const counterStream: StreamId = { kind: 'counter', id: counterId };
export const counterSlot: Slot = slotOf(counterId);

export interface World {
  readonly time: TestTime;
  readonly log: MemoryLog;
  readonly pages: MemoryPageStore;
}

export const newWorld = (): World => ({ time: new TestTime(), log: new MemoryLog(), pages: new MemoryPageStore() });

export interface TestNode {
  readonly host: ActorHost;
  readonly faults: { instance: string; stream: StreamId; error: unknown }[];
  readonly fenced: { slot: Slot; epoch: number }[];
  /** Sends a command and resolves with its reply. */
  act(player: string, seq: number, action: CounterAction, id?: number): Promise<CounterReply>;
  /** Sends a command; the replies gather in `replies`. */
  send(player: string, seq: number, action: CounterAction, id?: number): void;
  readonly replies: CounterReply[];
}

export function newNode(
  world: World,
  options: Partial<ActorHostOptions> & { kindLimits?: Partial<ActorLimits> } = {},
): TestNode {
  const { kindLimits, ...rest } = options;
  const faults: TestNode['faults'] = [];
  const fenced: TestNode['fenced'] = [];
  let random = 1;
  const next = (): number => {
    random = (random * 16_807) % 2_147_483_647;
    return random / 2_147_483_647;
  };
  const host = new ActorHost({
    nodeKey: 'n1@1',
    kinds: [counterKind(kindLimits)],
    log: world.log,
    pages: world.pages,
    clock: world.time.clock,
    timers: world.time.timers,
    random: { next, token: () => `t${random++}` },
    report: (instance, stream, error) => faults.push({ instance, stream, error }),
    onFenced: (slot, epoch) => fenced.push({ slot, epoch }),
    ...rest,
  });
  const replies: CounterReply[] = [];
  const sink: ReplySink = { reply: (_number, bytes) => replies.push(counterReply(bytes)) };
  return {
    host,
    faults,
    fenced,
    replies,
    act: (player, seq, action, id = counterId) =>
      new Promise((resolve) =>
        host.submit(counterRequest({ id, player, seq, action }), (bytes) => resolve(counterReply(bytes))),
      ),
    send: (player, seq, action, id = counterId) => host.submitTo(counterRequest({ id, player, seq, action }), sink, 0),
  };
}

/** A node that owns the counter's slot, with the counter created. */
export async function newOwner(
  world: World,
  options: Parameters<typeof newNode>[1] = {},
  epoch = 1,
): Promise<TestNode> {
  const node = newNode(world, options);
  await node.host.takeSlot(counterSlot, epoch);
  if (world.log.records(counterStream).length === 0) await node.host.ask(counterStream, 'create', {});
  return node;
}

export const eventsIn = (world: World, stream: StreamId = counterStream): CounterEvent[] => {
  const kind = counterKind();
  return world.log.records(stream).flatMap((record) => decodeRecord(record.bytes, kind.events).events);
};
