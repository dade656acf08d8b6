import assert from 'node:assert/strict';
import { natsServer } from '../../../cluster/host/servers/nats-server.ts';
import type { PrivateServer } from '../../../cluster/host/servers/private-server.ts';
import { requireServer } from '../../../cluster/host/servers/require-server.ts';
import type { Slot, StreamId, Version } from '../../../proto/ids.ts';
import { bytesOf, eventually, freshStream, readAll, seeded, textOf, version } from '../contract-fixture.ts';
import { FencedError, LogUnavailableError, type SlotWriter } from '../event-log.ts';
import { TcpProxy } from '../tcp-proxy.fixture.ts';
import { hostOf, NatsCluster } from './nats-log.fixture.ts';
import type { NatsLog } from './nats-log.ts';

const owners = 3;
const slots = [21, 22, 23, 24] as Slot[];
const streamsOfSlot = 3;
const rounds = 60;
/** A fault lasts until so much has happened, or so long. */
const outcomesOfRound = 100;
const roundMs = 100;

/** An append that was acknowledged, under the epoch that it was made under. */
interface Acked {
  readonly stream: StreamId;
  readonly version: number;
  readonly text: string;
}

describe('owners that fight over slots of the NATS log', () => {
  let server: PrivateServer;
  let cluster: NatsCluster;
  const proxies: TcpProxy[] = [];
  let epoch = 1;

  before(async function () {
    requireServer(this, 'nats');
    server = await natsServer();
    cluster = new NatsCluster(server.url);
  });
  after(async () => {
    await cluster?.close();
    await Promise.all(proxies.map((proxy) => proxy.close()));
    await server?.close();
  });

  for (const seed of [1, 2]) {
    it(`write one history, through cut links, lost answers and a killed server (seed ${seed})`, async () => {
      const random = seeded(seed);
      const streams = slots.flatMap((slot) => Array.from({ length: streamsOfSlot }, () => freshStream(slot)));
      const acked: Acked[] = [];
      const counts = { appended: 0, conflict: 0, fenced: 0, ambiguous: 0, refused: 0, takes: 0 };
      let isOver = false;

      /** Appends a few records to a stream, several in flight, until somebody else is found there. */
      async function write(log: NatsLog, writer: SlotWriter, stream: StreamId, who: string): Promise<boolean> {
        const head = await log.head(stream);
        const flying = Array.from({ length: 1 + Math.floor(random() * 4) }, (_, i) => {
          const text = `${who} ${writer.epoch}/${head + i + 1}/${Math.floor(random() * 1e9)}`;
          return writer
            .append(stream, (head + i) as Version, 1, bytesOf(text))
            .then((outcome) => ({ outcome, text, i }));
        });
        let isOwner = true;
        for (const { outcome, text, i } of await Promise.all(flying)) {
          counts[outcome.kind]++;
          if (outcome.kind === 'appended') acked.push({ stream, version: head + i + 1, text });
          if (outcome.kind === 'fenced') isOwner = false;
        }
        return isOwner;
      }

      async function own(log: NatsLog, who: string): Promise<void> {
        while (!isOver) {
          const slot = slots[Math.floor(random() * slots.length)] as Slot;
          try {
            const writer = await log.take(slot, ++epoch);
            counts.takes++;
            const mine = streams.filter((stream) => stream.id % 256 === slot);
            for (let round = 0; round < 4 && !isOver; round++) {
              const stays = await Promise.all(mine.map((stream) => write(log, writer, stream, who)));
              if (stays.includes(false)) break;
            }
          } catch (error) {
            if (!(error instanceof FencedError || error instanceof LogUnavailableError)) throw error;
            // A log that is known to be away says so at once.
            await new Promise((resolve) => setImmediate(resolve));
          }
        }
      }

      const fighting: Promise<void>[] = [];
      for (let i = 0; i < owners; i++) {
        const proxy = await TcpProxy.start(hostOf(server.url));
        proxies.push(proxy);
        fighting.push(own(await cluster.openThrough(proxy, { patienceMs: 1_500 }), `owner ${i}`));
      }
      const settled = (): number => Object.values(counts).reduce((sum, count) => sum + count, 0);
      for (let round = 1; round <= rounds; round++) {
        const proxy = proxies[proxies.length - 1 - Math.floor(random() * owners)] as TcpProxy;
        const dice = random();
        if (round % (rounds / 2) === 0) {
          await server.kill();
          await server.start();
        } else if (dice < 0.4) proxy.cut({ delivers: random() < 0.5 });
        else proxy.hold(random() < 0.5 ? 'up' : 'down');
        const goal = settled() + outcomesOfRound;
        const until = Date.now() + roundMs;
        await eventually('the fight to go on', () => settled() >= goal || Date.now() > until);
        for (const direction of ['up', 'down'] as const) proxy.release(direction);
      }
      isOver = true;
      await Promise.all(fighting);

      const reader = await cluster.open();
      const histories = new Map<StreamId, string[]>();
      for (const stream of streams) {
        const records = await readAll(reader, stream);
        histories.set(stream, records.map(textOf));
        let highest = 0;
        for (const [i, record] of records.entries()) {
          assert.equal(record.version, i + 1, 'no hole, no fork');
          assert.ok(record.epoch >= highest, `epoch ${record.epoch} stands behind epoch ${highest}`);
          highest = record.epoch;
          assert.ok(textOf(record).includes(` ${record.epoch}/${record.version}/`), 'what was appended there');
        }
        const all = records.map(textOf);
        assert.equal(new Set(all).size, all.length, 'nothing twice');
      }
      for (const { stream, version: at, text } of acked)
        assert.equal(histories.get(stream)?.[at - 1], text, 'what was acknowledged is there');
      assert.ok(
        counts.appended > 200 && counts.takes > 10 && counts.fenced > 0,
        `a fight that deserves the name: ${JSON.stringify(counts)}`,
      );
      assert.equal(await reader.head(freshStream(slots[0] as Slot)), version(0));
    }).timeout(30_000);
  }
});
