/** A hunt of which the beginning has left the log: everything that reads history reads it from the archive, and play goes on. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import WebSocket from 'ws';
import { parseAction } from '../../actors/hunt/action.ts';
import { checkDefinition, type HuntDefinition } from '../../actors/hunt/definition.ts';
import { everyWay } from '../../actors/hunt/sample-hunts.ts';
import { LogEventReader } from '../../gateway/admin/log-event-reader.ts';
import { ShadowDesk } from '../../gateway/definition/shadow-desk.ts';
import { TestClient, tokenOf } from '../../gateway/socket/live.fixture.ts';
import { LiveGateway } from '../../gateway/socket/live-gateway.ts';
import type { Claims } from '../../gateway/token/claims.ts';
import { Archiver } from '../../projections/archive.ts';
import { noArchiveMetrics } from '../../projections/archive-metrics.ts';
import { silentJournal } from '../../projections/journal.ts';
import { SubmitReply, SubmitRequest } from '../../proto/generated/hunt/v1/ingest.ts';
import type { Slot, StreamId } from '../../proto/ids.ts';
import { systemClock } from '../../runtime/kernel/clock.ts';
import { systemRandom } from '../../runtime/kernel/random.ts';
import { systemTimers } from '../../runtime/kernel/timer.ts';
import { ArchivedLog } from '../../runtime/log/archive/archived-log.ts';
import { FolderArchive } from '../../runtime/log/archive/folder-archive.ts';
import { freshStream, version } from '../../runtime/log/contract-fixture.ts';
import type { EmbeddedLog } from '../../runtime/log/embedded/client.ts';
import { LogProcess } from '../../runtime/log/embedded/log-process.ts';
import type { EventLog } from '../../runtime/log/event-log.ts';
import { MemoryPageStore } from '../../runtime/log/memory/memory-page-store.ts';
import { ActorHost } from '../../runtime/slot/actor-host.ts';
import { actorKinds } from './actor-kinds.ts';
import { publicEvents, showEvent } from './hunt-events.ts';

const slot = 21 as Slot;
const day = 24 * 3_600_000;
const rounds = 300;

function definition(): HuntDefinition {
  const parsed = checkDefinition(everyWay);
  assert.ok(parsed.ok);
  return parsed.definition;
}

describe('a hunt of which the beginning has left the log', () => {
  const stream: StreamId = freshStream(slot);
  const hunt = stream.id;
  let process: LogProcess;
  let folder: string;
  let own: EmbeddedLog;
  let log: ArchivedLog;
  let first: ActorHost;
  let archiveLater: Archiver;
  /** Moves the archiver's clock: the hunt was played long ago. */
  let later = 0;

  const hostOn = async (on: EventLog, epoch: number, nodeKey: string): Promise<ActorHost> => {
    // Its pages are empty: header and rows must come from history.
    const pages = new MemoryPageStore();
    const host = new ActorHost({
      nodeKey,
      kinds: actorKinds,
      log: on,
      pages,
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
    });
    await host.takeSlot(slot, epoch);
    return host;
  };
  const act = (host: ActorHost, playerId: string, seq: number, action: object): Promise<SubmitReply> =>
    new Promise((resolve) => {
      const bytes = SubmitRequest.encode({ huntId: hunt, playerId, seq, action: { action: action as never } }).finish();
      host.submit(bytes, (reply) => resolve(SubmitReply.decode(reply)));
    });
  const joins = { $case: 'join', value: { name: '' } };
  const leaves = { $case: 'leave', value: {} };
  const answer = async (host: ActorHost, method: string, body: object): Promise<unknown> => {
    const answered = await host.ask(stream, method, body);
    assert.ok(answered.ok, JSON.stringify(answered));
    return answered.body;
  };
  const reader = (of: EventLog): LogEventReader => new LogEventReader(of, showEvent);
  const asked = async (host: ActorHost) => ({
    show: await answer(host, 'show', {}),
    early: await answer(host, 'show', { at_version: 40 }),
    views: await answer(host, 'views', { players: ['ann', 'bob'] }),
  });
  let told: Awaited<ReturnType<typeof asked>>;
  let events: readonly unknown[];

  before(async function () {
    this.timeout(30_000);
    process = await LogProcess.start({ segmentBytes: 32 * 1024, indexFlushMs: 20, tailCacheBytes: 0 });
    folder = await mkdtemp(join(tmpdir(), 'hunt-archive-'));
    own = await process.open();
    const archive = new FolderArchive(folder);
    log = new ArchivedLog(own, archive);
    first = await hostOn(log, 1, 'n1@1');
    const created = { definition: definition(), owner: 'dora', join_code: 'ABC234', lineage: 'L1' };
    await answer(first, 'create', created);
    for (let i = 0; i < rounds; i++) {
      await act(first, 'ann', 2 * i + 1, joins);
      await act(first, 'bob', i + 1, i === 0 ? joins : { $case: 'claim', value: { treasure: 'box', code: 'OPEN-7' } });
      await act(first, 'ann', 2 * i + 2, leaves);
    }
    told = await asked(first);
    events = (await reader(own).read(hunt, 0, 100_000, 100_000_000)).events;
    archiveLater = new Archiver({
      log: own,
      archive,
      ownedSlots: () => [slot],
      keepMs: day,
      clock: { now: () => systemClock.now() + later, monotonic: () => systemClock.monotonic() },
      timers: systemTimers,
      journal: silentJournal,
      metrics: noArchiveMetrics,
    });
    await archiveLater.round();
    later = 2 * day;
    await archiveLater.round();
    assert.deepEqual(archiveLater.faults, []);
  });
  after(async () => {
    await archiveLater?.close();
    await first?.close();
    await own?.close();
    await process?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('has left it: the log alone begins later, and cannot bring the hunt to life', async () => {
    const { oldest, head } = await own.read(stream, version(1));
    assert.ok(oldest > 100 && oldest < head, `the log has ${oldest} to ${head}`);
    const alone = await hostOn(own, 2, 'n2@1');
    assert.equal((await alone.ask(stream, 'show', {})).ok, false);
    alone.abandon();
  });

  it('comes to life without its pages, as it was, at any version, and goes on', async () => {
    const host = await hostOn(log, 3, 'n3@1');
    assert.deepEqual(await asked(host), told);
    const reply = await act(host, 'cy', 1, joins);
    assert.equal(reply.outcome?.$case, 'ack', JSON.stringify(reply));
    // The same again: the receipts came out of history, too.
    const again = await act(host, 'bob', 1, joins);
    assert.ok(again.outcome?.$case === 'ack' && again.outcome.value.duplicate, JSON.stringify(again));
    await host.close();
  });

  it('shows its events from the first on, across archive and log', async () => {
    const page = await reader(log).read(hunt, 0, 100_000, 100_000_000);
    assert.deepEqual([page.oldest, page.events.slice(0, events.length)], [1, events]);
    const some = await reader(log).read(hunt, 37, 10, 100_000_000);
    assert.deepEqual(
      some.events.map((event) => event.version),
      Array.from({ length: 10 }, (_, i) => 38 + i),
    );
  });

  it('is run again under changed rules', async () => {
    const desk = new ShadowDesk(log, systemClock, systemTimers);
    try {
      const report = await desk.run(hunt, definition());
      assert.ok(report.events >= events.length);
      assert.deepEqual(report.differences, []);
    } finally {
      desk.close();
    }
  }).timeout(30_000);

  it('resumes sockets from a version that has left the log, without a hole', async () => {
    const host = await hostOn(log, 4, 'n4@1');
    const gateway = new LiveGateway({
      route: {
        submit: (_hunt, _player, _seq, bytes, done) => host.submit(bytes, done),
        call: (of, method, body) => host.ask(of, method, body),
      },
      log,
      feed: own,
      reader: publicEvents,
      verifyToken: async (token) => JSON.parse(Buffer.from(token, 'base64url').toString()) as Claims,
      parseAction,
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
    });
    const server: Server = createServer();
    server.on('upgrade', (request, socket, head) => gateway.handleUpgrade(request, socket, head));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/v1/socket`;
    const sockets: WebSocket[] = [];
    try {
      for (const from of [0, 37]) {
        const socket = new WebSocket(url, ['hunt.v1.json']);
        sockets.push(socket);
        const client = new TestClient(socket, 'json');
        await once(socket, 'open');
        client.send({ t: 'auth', token: tokenOf({ sub: 'ann' }) });
        await client.take('ready');
        client.send({ t: 'sub', hunt, from });
        const live = await client.take('live');
        const head = await log.head(stream);
        assert.equal(live.version, head);
        assert.ok(!client.inbox.some((told) => told.t === 'reset'), 'nothing is forgotten');
        assert.deepEqual(
          client.versions(from),
          Array.from({ length: head - from }, (_, i) => from + 1 + i),
        );
        client.send({ t: 'act', hunt, seq: 10_000 + from, action: { type: from === 0 ? 'join' : 'leave' } });
        await client.until('its own event', () => client.versions(from).at(-1) === head + 1);
      }
    } finally {
      for (const socket of sockets) socket.terminate();
      gateway.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await host.close();
    }
  });

  it('is served without the archive as long as what is asked for is in the log', async () => {
    const hidden = `${folder}-hidden`;
    const { oldest } = await own.read(stream, version(1));
    const fresh = new ArchivedLog(own, new FolderArchive(hidden));
    const page = await reader(fresh).read(hunt, oldest - 1, 100_000, 100_000_000);
    assert.equal(page.events[0]?.version, oldest);
    assert.equal(page.oldest, 1, 'for it is taken for granted that the rest is in the archive');
  });
});
