import assert from 'node:assert/strict';
import type { Slot } from '../../proto/ids.ts';
import { type CounterReply, counterKind, counterReply, counterRequest } from '../counter.fixture.ts';
import { systemClock } from '../kernel/clock.ts';
import { systemRandom } from '../kernel/random.ts';
import { systemTimers } from '../kernel/timer.ts';
import { eventually } from '../log/contract-fixture.ts';
import { LogProcess } from '../log/embedded/log-process.ts';
import { ActorHost } from './actor-host.ts';

const streams = [1, 2, 3].map((n) => ({ kind: 'counter', id: 256 + n }));

describe('an actor host over the embedded log', () => {
  it('loses nothing and doubles nothing while the log process is killed and a node takes over', async function () {
    this.timeout(30_000);
    const process = await LogProcess.start();
    const open = async (nodeKey: string, epoch: number): Promise<{ host: ActorHost; close(): Promise<void> }> => {
      const log = await process.open();
      const host = new ActorHost({
        nodeKey,
        kinds: [counterKind()],
        log,
        pages: log,
        clock: systemClock,
        timers: systemTimers,
        random: systemRandom,
      });
      for (const { id } of streams) await host.takeSlot((id % 256) as Slot, epoch);
      return { host, close: () => log.close() };
    };
    const first = await open('n1@1', 1);
    for (const stream of streams) assert.ok((await first.host.ask(stream, 'create', {})).ok);

    /** As a client does: the same seq until the answer is final. */
    const insist = (host: ActorHost, id: number, player: string, seq: number): Promise<CounterReply> =>
      new Promise((resolve) => {
        const send = (): void =>
          host.submit(counterRequest({ id, player, seq, action: { type: 'add', n: 1 } }), (bytes) => {
            const reply = counterReply(bytes);
            if (reply.ack !== undefined) resolve(reply);
            else setTimeout(send, 20);
          });
        send();
      });
    const play = (host: ActorHost, seq: number): Promise<CounterReply>[] =>
      streams.flatMap(({ id }) => Array.from({ length: 30 }, (_, player) => insist(host, id, `p${player}`, seq)));

    await Promise.all(play(first.host, 1));
    const during = play(first.host, 2);
    await process.restartServer();
    await Promise.all(during);
    await first.host.find(streams[0] as (typeof streams)[0])?.save();
    first.host.abandon();
    await first.close();

    const second = await open('n2@2', 2);
    const again = await Promise.all(play(second.host, 2));
    assert.ok(again.every(({ ack }) => ack?.duplicate === true));
    await Promise.all(play(second.host, 3));
    for (const stream of streams) {
      const total = await second.host.ask(stream, 'total', {});
      assert.deepEqual(total, { ok: true, version: 91, body: { total: 90, version: 91 } });
    }
    await second.host.close();
    await eventually('nothing in memory', () => second.host.state().activations === 0);
    await second.close();
    await process.close();
  });
});
