import assert from 'node:assert/strict';
import { natsServer } from '../../../cluster/host/servers/nats-server.ts';
import type { PrivateServer } from '../../../cluster/host/servers/private-server.ts';
import { requireServer } from '../../../cluster/host/servers/require-server.ts';
import type { Position, Slot, StreamId } from '../../../proto/ids.ts';
import { bytesOf, eventually, freshStream, readAll, textOf, version } from '../contract-fixture.ts';
import { type AppendOutcome, LogUnavailableError, type SlotWriter } from '../event-log.ts';
import { Follower } from '../feed.contract.ts';
import { TcpProxy } from '../tcp-proxy.fixture.ts';
import { hostOf, NatsCluster } from './nats-log.fixture.ts';
import type { NatsLog } from './nats-log.ts';
import { withoutMessages } from './protocol-filter.fixture.ts';

const slot = 11 as Slot;
const append = (writer: SlotWriter, stream: StreamId, expected: number, text: string): Promise<AppendOutcome> =>
  writer.append(stream, version(expected), 1, bytesOf(text));

describe('the NATS log, when things break', () => {
  let server: PrivateServer;
  let cluster: NatsCluster;
  let proxy: TcpProxy;

  before(async function () {
    requireServer(this, 'nats');
    server = await natsServer();
  });
  after(() => server?.close());
  beforeEach(async () => {
    cluster = new NatsCluster(server.url, { removeMin: 1 });
    proxy = await TcpProxy.start(hostOf(server.url));
  });
  afterEach(async () => {
    await cluster?.close();
    await proxy?.close();
  });

  async function written(log: NatsLog, stream: StreamId): Promise<string[]> {
    return (await readAll(log, stream)).map(textOf);
  }

  it('finds that an append was done whose answer was lost, and does nothing twice', async () => {
    const [log, witness] = [await cluster.openThrough(proxy), await cluster.open()];
    const stream = freshStream(slot);
    const writer = await log.take(slot, 1);
    assert.equal((await append(writer, stream, 0, '1')).kind, 'appended');
    proxy.hold('down');
    const [second, third] = [append(writer, stream, 1, '2'), append(writer, stream, 2, '3')];
    await eventually('the second record in the log', async () => (await witness.head(stream)) === 2);
    proxy.cut();
    proxy.release('down');
    assert.equal((await second).kind, 'appended');
    assert.equal((await third).kind, 'appended');
    assert.deepEqual(await written(witness, stream), ['1', '2', '3']);
  });

  it('finds it also when another has written behind it meanwhile', async () => {
    const [log, witness] = [await cluster.openThrough(proxy), await cluster.open()];
    const stream = freshStream(0, 'cluster');
    const [mine, theirs] = [log.shared(stream), witness.shared(stream)];
    assert.equal((await mine.append(version(0), 1, bytesOf('mine 1'))).kind, 'appended');
    proxy.hold('down');
    const lost = mine.append(version(1), 1, bytesOf('mine 2'));
    await eventually('the record in the log', async () => (await witness.head(stream)) === 2);
    for (let v = 2; v < 20; v++) assert.equal((await theirs.append(version(v), 1, bytesOf('theirs'))).kind, 'appended');
    proxy.cut();
    proxy.release('down');
    const outcome = await lost;
    const second = (await readAll(witness, stream))[1];
    assert.deepEqual(outcome, { kind: 'appended', position: second?.position });
  });

  it('sends an append again that never arrived, and lets the one that arrives late change nothing', async () => {
    const [log, witness] = [await cluster.openThrough(proxy), await cluster.open()];
    const stream = freshStream(slot);
    const writer = await log.take(slot, 1);
    assert.equal((await append(writer, stream, 0, '1')).kind, 'appended');
    proxy.hold('up');
    const second = append(writer, stream, 1, '2');
    await eventually('the append on its way', () => proxy.heldBytes('up') > 0);
    // The old connection's bytes reach the server, and the new connection's too.
    proxy.cut({ delivers: true });
    proxy.release('up');
    assert.equal((await second).kind, 'appended');
    assert.equal((await append(writer, stream, 2, '3')).kind, 'appended');
    assert.deepEqual(await written(witness, stream), ['1', '2', '3']);
  });

  it('fences who was cut off during a take, before its next append', async () => {
    const [log, rival] = [await cluster.openThrough(proxy), await cluster.open()];
    const writer = await log.take(slot, 1);
    const stream = freshStream(slot);
    assert.equal((await append(writer, stream, 0, 'mine')).kind, 'appended');
    proxy.hold('down');
    proxy.hold('up');
    const late = append(writer, stream, 1, 'late');
    await eventually('the append on its way', () => proxy.heldBytes('up') > 0);
    await rival.take(slot, 2);
    proxy.cut();
    proxy.release('down');
    proxy.release('up');
    assert.deepEqual(await late, { kind: 'fenced', epoch: 2 });
    assert.deepEqual(await append(writer, freshStream(slot), 0, 'late'), { kind: 'fenced', epoch: 2 });
    assert.deepEqual(await written(rival, stream), ['mine']);
  });

  it('says that it does not know, or that it did nothing, when the server stays away; and goes on when it is back', async () => {
    const [log, witness] = [await cluster.openThrough(proxy, { patienceMs: 500 }), await cluster.open()];
    const [known, asked] = [freshStream(slot), freshStream(slot)];
    const writer = await log.take(slot, 1);
    assert.equal((await append(writer, known, 0, '1')).kind, 'appended');
    proxy.hold('down');
    const [unknown, behind] = [append(writer, known, 1, '2'), append(writer, known, 2, '3')];
    await eventually('the append in the log', async () => (await witness.head(known)) === 2);
    proxy.refuse();
    proxy.cut();
    await eventually('the client to notice', () => !log.isUp);
    const unsent = append(writer, asked, 0, 'unsent');
    const [first, second, third] = await Promise.all([unknown, behind, unsent]);
    assert.equal(first.kind, 'ambiguous');
    assert.ok(
      second.kind === 'refused' && second.reason === 'busy' && /never sent/.test(second.message),
      JSON.stringify(second),
    );
    assert.ok(third.kind === 'refused' && third.reason === 'busy', JSON.stringify(third));
    await assert.rejects(log.head(known), LogUnavailableError);
    await assert.rejects(log.load(known, [0]), LogUnavailableError);
    await assert.rejects(log.take(slot, 1), LogUnavailableError);
    assert.ok(!log.isUp);
    proxy.release('down');
    proxy.admit();
    await eventually('the log to answer', () =>
      log.head(known).then(
        (head) => head === 2,
        () => false,
      ),
    );
    assert.equal((await append(writer, known, 2, '3')).kind, 'appended');
    assert.deepEqual(await written(witness, known), ['1', '2', '3']);
    assert.equal(await witness.head(asked), 0);
  });

  it('waits for a server that stands still for three seconds, and loses nothing', async () => {
    const log = await cluster.open();
    const writer = await log.take(slot, 1);
    const streams = Array.from({ length: 5 }, () => freshStream(slot));
    const followers = await Promise.all(
      streams.map(async (stream) => {
        const follower = new Follower(log, stream, 0);
        await log.subscribe(stream, follower);
        return follower;
      }),
    );
    const outcomes: Promise<AppendOutcome>[] = [];
    for (let v = 0; v < 50; v++) for (const stream of streams) outcomes.push(append(writer, stream, v, `${v}`));
    server.pause();
    const paused = Date.now();
    const reading = log.read(streams[0] as StreamId, version(1));
    await eventually('three seconds to be over', () => Date.now() - paused > 3_000);
    server.resume();
    for (const outcome of await Promise.all(outcomes)) assert.equal(outcome.kind, 'appended', JSON.stringify(outcome));
    await reading;
    for (const stream of streams) assert.equal((await written(log, stream)).length, 50);
    await eventually('all at the followers', () => followers.every((follower) => follower.upto === 50));
  }).timeout(20_000);

  it('loses nothing that was acknowledged, and forks nothing, when the server is killed again and again under load', async () => {
    const log = await cluster.open();
    const writer = await log.take(slot, 1);
    const streams = Array.from({ length: 100 }, () => freshStream(slot));
    const acked = new Map<StreamId, number[]>();
    let isOver = false;
    const load = streams.map(async (stream, i) => {
      const own: number[] = [];
      acked.set(stream, own);
      for (let head = 0; !isOver; ) {
        const outcome = await append(writer, stream, head, `${head + 1}`.padEnd(100 + i * 20, '.'));
        if (outcome.kind === 'appended') own.push(++head);
        else if (outcome.kind === 'ambiguous') head = await log.head(stream);
        else assert.fail(JSON.stringify(outcome));
      }
    });
    for (let kill = 0; kill < 4; kill++) {
      const before = [...acked.values()].reduce((sum, own) => sum + own.length, 0);
      await eventually(
        'a thousand more records',
        () => [...acked.values()].reduce((sum, own) => sum + own.length, 0) > before + 1_000,
      );
      await server.kill();
      await server.start();
    }
    isOver = true;
    await Promise.all(load);
    const reader = await cluster.open();
    for (const stream of streams) {
      const texts = await written(reader, stream);
      assert.deepEqual(
        texts.map((text) => Number.parseInt(text, 10)),
        texts.map((_, i) => i + 1),
        'each version once',
      );
      for (const v of acked.get(stream) ?? []) assert.ok(v <= texts.length, `version ${v} was acknowledged`);
    }
  }).timeout(30_000);

  it('keeps what a trim has left through a kill, and the heads of what it has not', async () => {
    const log = await cluster.open();
    const writer = await log.take(slot, 1);
    const streams = Array.from({ length: 40 }, () => freshStream(slot));
    for (let v = 0; v < 30; v++)
      for (const outcome of await Promise.all(
        streams.map((stream) => append(writer, stream, v, `${v}`.padEnd(9_000, '.'))),
      ))
        assert.equal(outcome.kind, 'appended');
    const busy = streams.slice(0, 20);
    const before = (await log.ends())[slot] as Position;
    for (let v = 30; v < 35; v++) for (const stream of busy) await append(writer, stream, v, `${v}`);
    await log.trim(slot, before);
    await log.removeTrimmed();
    const { bytes, first_seq: first } = await cluster.streamState(cluster.names.log);
    assert.ok(bytes < 100_000 && first >= before, `${bytes} bytes from ${first} on`);
    for (let kill = 0; kill < 2; kill++) {
      await server.kill();
      await server.start();
      const reader = await cluster.open();
      assert.equal((await cluster.streamState(cluster.names.log)).first_seq, first);
      for (const [i, stream] of streams.entries()) {
        const page = await reader.read(stream, version(1));
        const head = (i < 20 ? 35 : 30) + kill;
        assert.deepEqual([page.head, page.oldest, page.records.length], [head, 31, head - 30]);
        assert.deepEqual(await append(writer, stream, head - 1, 'forged'), { kind: 'conflict', head });
        assert.equal((await append(writer, stream, head, 'on')).kind, 'appended');
      }
    }
  });

  it('fills the feed from the log where a message was lost on the way', async () => {
    let lose = 0;
    const stream = freshStream(slot);
    proxy.filter = (direction) =>
      withoutMessages(direction, (subject) => subject === cluster.names.live(stream) && lose-- > 0);
    const [log, owner] = [await cluster.openThrough(proxy), await cluster.open()];
    const writer = await owner.take(slot, 1);
    const raw: number[] = [];
    await log.subscribe(stream, { record: (record) => raw.push(record.version), head: (head) => raw.push(-head) });
    const write = async (from: number, upto: number): Promise<void> => {
      for (let v = from; v <= upto; v++) assert.equal((await append(writer, stream, v - 1, `${v}`)).kind, 'appended');
    };
    await write(1, 5);
    await eventually('five records', () => raw.length === 5);
    lose = 3;
    await write(6, 20);
    await eventually('twenty records', () => raw.at(-1) === 20);
    assert.ok(lose < 0, 'three were lost');
    assert.deepEqual(
      raw,
      Array.from({ length: 20 }, (_, i) => i + 1),
      'in order, each once, and no listener was bothered',
    );
  });

  it('sees the end of each slot also when what was republished last was lost, and begins anew', async () => {
    let lose = 0;
    proxy.filter = (direction) =>
      withoutMessages(direction, (subject) => subject.startsWith(`${cluster.names.prefix}-live.11.`) && lose-- > 0);
    const [log, owner] = [await cluster.openThrough(proxy), await cluster.open()];
    const writer = await owner.take(slot, 1);
    const stream = freshStream(slot);
    await log.ends();
    assert.equal((await append(writer, stream, 0, '1')).kind, 'appended');
    const before = await log.ends();
    assert.deepEqual((await log.readSlot(slot, 0 as Position)).records.map(textOf), ['1']);
    lose = 1;
    assert.equal((await append(writer, stream, 1, '2')).kind, 'appended');
    const after = await log.ends();
    assert.ok(lose <= 0, 'one was lost');
    assert.ok((after[slot] as number) > (before[slot] as number));
    assert.deepEqual((await log.readSlot(slot, before[slot] as Position)).records.map(textOf), ['2']);
    await server.kill();
    const waiting = log.ends();
    await server.start();
    await waiting;
    assert.equal((await append(writer, stream, 2, '3')).kind, 'appended');
    assert.deepEqual((await log.readSlot(slot, after[slot] as Position)).records.map(textOf), ['3']);
  });

  it('does not storm a server that comes back', async () => {
    const clients = 10;
    const logs = await Promise.all(Array.from({ length: clients }, () => cluster.openThrough(proxy)));
    const connections = proxy.accepted;
    proxy.refuse();
    proxy.cut();
    const since = Date.now();
    await eventually('all clients to notice', () => logs.every((log) => !log.isUp));
    await eventually('a second to be over', () => Date.now() - since > 1_000);
    const perLink = (proxy.accepted - connections) / (2 * clients);
    assert.ok(perLink >= 2 && perLink <= 10, `${perLink} attempts by each link in a second`);
    proxy.admit();
    await eventually('all clients to be back', () => logs.every((log) => log.isUp), 3_000);
    const stream = freshStream(slot);
    for (const log of logs) assert.equal(await log.head(stream), 0);
  });

  it('drops nothing either when the server itself is full', async () => {
    const small = await natsServer({ storeBytesMax: 10 * 1024 * 1024 });
    const own = new NatsCluster(small.url, { pageBytesMax: 1024 * 1024, removeMin: 1 });
    try {
      const log = await own.open();
      const writer = await log.take(slot, 1);
      const [stream, quiet] = [freshStream(slot), freshStream(slot)];
      assert.equal((await append(writer, quiet, 0, 'quiet')).kind, 'appended');
      let head = 0;
      let outcome: AppendOutcome;
      for (;;) {
        outcome = await writer.append(stream, version(head), 1, Buffer.alloc(500_000));
        if (outcome.kind !== 'appended') break;
        head++;
      }
      assert.ok(outcome.kind === 'refused' && outcome.reason === 'full', JSON.stringify(outcome));
      assert.match(outcome.message, /resources/);
      assert.equal((await own.streamState(own.names.log)).first_seq, 1);
      assert.equal((await readAll(log, stream)).length, head);
    } finally {
      await own.close();
      await small.close();
    }
  });

  it('refuses to start on an account without JetStream, and says so', async () => {
    const bare = await natsServer({
      config: 'accounts { BARE { users: [ { user: bare, password: bare } ] } }\nno_auth_user: bare',
    });
    try {
      const url = bare.url.replace('nats://', 'nats://bare:bare@');
      await assert.rejects(cluster.open({ servers: [url] }), (error: Error) => {
        assert.match(
          error.message,
          /JetStream is not enabled .*start nats-server with -js, or enable it for this account/,
        );
        return error.name === 'NatsServerError';
      });
    } finally {
      await bare.close();
    }
  });
});
