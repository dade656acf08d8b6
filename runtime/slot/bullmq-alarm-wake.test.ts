import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { PrivateServer } from '../../cluster/host/servers/private-server.ts';
import { redisServer } from '../../cluster/host/servers/redis-server.ts';
import { requireServer } from '../../cluster/host/servers/require-server.ts';
import { sharedServer } from '../../cluster/host/servers/shared-server.ts';
import type { StreamId } from '../../proto/ids.ts';
import { systemClock } from '../kernel/clock.ts';
import { systemTimers } from '../kernel/timer.ts';
import { eventually } from '../log/contract-fixture.ts';
import {
  counterSlot,
  counterStream,
  eventsIn,
  newNode,
  newWorld,
  type TestNode,
  type World,
} from '../runtime.fixture.ts';
import { alarmWakeContract } from './alarm-wake.contract.ts';
import { BullMqAlarmWake, bullMqAlarms } from './bullmq-alarm-wake.ts';

let clusters = 0;
const freshCluster = (): string => `test-${process.pid}-${++clusters}`;
/** Longer than any test: what rings was rung by Redis. */
const neverMs = 3_600_000;

describe('BullMQ', () => {
  let shared: PrivateServer;
  before(async function () {
    requireServer(this, 'redis');
    shared = await sharedServer('redis');
  });

  alarmWakeContract('BullMQ', async () => {
    const unitMs = 100;
    const cluster = freshCluster();
    let nodes = 0;
    return {
      unitMs,
      open: (fire) =>
        new BullMqAlarmWake(
          {
            redisUrl: shared.url,
            cluster,
            nodeId: `n${++nodes}`,
            clock: systemClock,
            timers: systemTimers,
            graceMs: neverMs,
          },
          fire,
        ),
      now: () => Date.now(),
      pass: (units) => sleep(units * unitMs),
      until: (what, holds) => eventually(what, holds),
      close: async () => undefined,
    };
  });
});

describe('alarms while their Redis fails', () => {
  const graceMs = 250;
  let redis: PrivateServer;
  let world: World;
  const nodes: TestNode[] = [];

  before(async function () {
    requireServer(this, 'redis');
    redis = await redisServer();
  });
  after(() => redis?.close());
  beforeEach(() => {
    world = newWorld();
  });
  afterEach(async () => {
    for (const node of nodes.splice(0)) node.host.abandon();
    redis.resume();
    await redis.start().catch(() => undefined);
  });

  const open = async (nodeId: string, epoch: number, grace = graceMs, cluster = freshCluster()): Promise<Opened> => {
    let wake: BullMqAlarmWake | undefined;
    const rung: StreamId[] = [];
    const node = newNode(world, {
      nodeKey: `${nodeId}@${epoch}`,
      clock: systemClock,
      timers: systemTimers,
      alarmWake: (fire) => {
        wake = bullMqAlarms({
          redisUrl: redis.url,
          cluster,
          nodeId,
          clock: systemClock,
          timers: systemTimers,
          graceMs: grace,
        })((stream) => {
          rung.push(stream);
          fire(stream);
        });
        return wake;
      },
    });
    nodes.push(node);
    await node.host.takeSlot(counterSlot, epoch);
    if (world.log.records(counterStream).length === 0) await node.host.ask(counterStream, 'create', {});
    return { node, wake: wake as BullMqAlarmWake, rung };
  };
  interface Opened {
    readonly node: TestNode;
    readonly wake: BullMqAlarmWake;
    readonly rung: readonly StreamId[];
  }
  const remind = ({ node }: Opened, inMs: number): Promise<unknown> =>
    node.host.ask(counterStream, 'remind', { at: Date.now() + inMs });
  const rang = (): number => eventsIn(world).filter(({ type }) => type === 'rang').length;
  const sent = ({ wake }: Opened): Promise<void> =>
    eventually(
      'its job to be in Redis',
      () => wake.state().up && wake.state().armed === 1 && wake.state().unsent === 0,
    );
  /** Nothing more happens, to say that it happened once. */
  const once = async (): Promise<void> => {
    await eventually('the alarm', () => rang() > 0);
    await sleep(2 * graceMs);
    assert.equal(rang(), 1);
  };

  it('wakes its actor by Redis alone', async () => {
    const owner = await open('n1', 1, neverMs);
    await remind(owner, 200);
    await once();
  });

  it('is late but not lost when Redis is flushed, and never twice', async () => {
    const owner = await open('n1', 1);
    const due = Date.now() + 300;
    await remind(owner, 300);
    await sent(owner);
    const admin = new Redis(redis.url);
    await eventually('the job to be there', async () => (await admin.keys('*')).length > 0);
    await admin.flushall();
    admin.disconnect();
    await once();
    const [event] = eventsIn(world).filter(({ type }) => type === 'rang');
    assert.ok((event?.occurredAt ?? 0) >= due + graceMs, 'it rang by its own timer, after the grace');
  });

  it('comes back through Redis after a flush, with the next arming', async () => {
    let ahead = 0;
    const clock = { now: systemClock.now, monotonic: () => systemClock.monotonic() + ahead };
    const fired: StreamId[] = [];
    const wake = new BullMqAlarmWake(
      { redisUrl: redis.url, cluster: freshCluster(), nodeId: 'n1', clock, timers: systemTimers, graceMs: neverMs },
      (stream) => fired.push(stream),
    );
    const at = Date.now() + 600;
    wake.arm(counterStream, at);
    await eventually('its job to be in Redis', () => wake.state().up && wake.state().unsent === 0);
    const admin = new Redis(redis.url);
    await eventually('the job to be there', async () =>
      (await admin.keys('*')).some((key) => key.endsWith(String(at))),
    );
    await admin.flushall();
    // The agenda's minute.
    ahead = 60_000;
    wake.arm(counterStream, at);
    await eventually('it to fire', () => fired.length > 0);
    admin.disconnect();
    wake.close();
  });

  it('rings once though Redis is killed, stays away, and comes back', async () => {
    const owner = await open('n1', 1);
    await remind(owner, 300);
    await sent(owner);
    await redis.kill();
    await eventually('it to notice', () => !owner.wake.state().up);
    await once();
    // Armed while it is away.
    await remind(owner, 100);
    await eventually('the second alarm', () => rang() === 2);
    await redis.start();
    await eventually('the connection', () => owner.wake.state().up);
    await remind(owner, 100);
    await eventually('the third alarm', () => rang() === 3);
  });

  it('rings through Redis again after a restart, also for what was armed before', async () => {
    const owner = await open('n1', 1, neverMs);
    await remind(owner, 2_000);
    await sent(owner);
    await redis.kill();
    await eventually('it to notice', () => !owner.wake.state().up);
    await redis.start();
    await once();
  });

  it('rings once though Redis is stopped for 3 s past its time', async () => {
    const owner = await open('n1', 1);
    await remind(owner, 300);
    await sent(owner);
    redis.pause();
    const stopped = Date.now();
    const before = performance.now();
    await remind(owner, 500);
    assert.ok(performance.now() - before < 200, 'arming waited for Redis');
    await eventually('the alarm', () => rang() === 1);
    assert.ok(Date.now() - stopped < 2_500, 'it rang while Redis was stopped');
    await sleep(Math.max(0, stopped + 3_000 - Date.now()));
    redis.resume();
    await once();
    await eventually('Redis to be used again', () => owner.wake.state().up && owner.wake.state().unsent === 0);
    await remind(owner, 100);
    await eventually('the next alarm', () => rang() === 2);
  });

  it('is woken on a node that never had a connection', async () => {
    await redis.kill();
    const owner = await open('n1', 1);
    await remind(owner, 100);
    await once();
  });

  it('belongs to whoever has the slot: jobs of the old owner do nothing', async () => {
    const cluster = freshCluster();
    const old = await open('n1', 1, neverMs, cluster);
    await remind(old, 600);
    await sent(old);
    const next = await open('n2', 2, neverMs, cluster);
    await eventually('the new owner to know the alarm', () => next.wake.state().armed === 1);
    await once();
    assert.equal(next.rung.length, 1);
    // A node of the old name: the jobs of its predecessor find nothing armed.
    const again = await open('n1', 3, neverMs, cluster);
    await eventually('it to be connected', () => again.wake.state().up);
    await once();
  });

  it('takes its jobs out of Redis when the slot is given up', async () => {
    const cluster = freshCluster();
    const owner = await open('n1', 1, neverMs, cluster);
    await remind(owner, 60_000);
    await sent(owner);
    const admin = new Redis(redis.url);
    const jobs = async (): Promise<number> => (await admin.keys(`hunt:${cluster}:*:counter-*`)).length;
    await eventually('the job to be there', async () => (await jobs()) === 1);
    await owner.node.host.close();
    await eventually('the job to be gone', async () => (await jobs()) === 0);
    admin.disconnect();
  });

  it('does not fail when Redis is full', async () => {
    const owner = await open('n1', 1);
    await eventually('the connection', () => owner.wake.state().up);
    const admin = new Redis(redis.url);
    await admin.config('SET', 'maxmemory', '1');
    await remind(owner, 200);
    await once();
    await admin.config('SET', 'maxmemory', '0');
    await eventually('it to be tried again', () => owner.wake.state().up);
    await remind(owner, 200);
    await eventually('the next alarm', () => rang() === 2);
    admin.disconnect();
  });
});
