import assert from 'node:assert/strict';
import { BareSocket, type CodecName } from './bare-socket.ts';
import { Bystander } from './bystander.ts';
import { closeCodes, refusalFaults } from './catalogue.ts';
import type { ClusterProcess } from './cluster-process.ts';
import { until } from './deadline.ts';
import { meadow, oldTown } from './definitions.ts';
import { brokenActions, brokenJson, brokenMsgpack } from './malformed.ts';
import { opcode, RawLine, wsFrame } from './raw-line.ts';
import { freshPlayer, sharedCluster } from './shared-cluster.ts';

/** Nine on a socket are answered each, the tenth in a minute closes it. */
const malformedMax = 9;

function chunks<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
}

describe('bad input on a socket', function () {
  this.timeout(60_000);
  let cluster: ClusterProcess;
  let hunt: number;
  let bystander: Bystander;
  let restarts = 0;
  const open = (
    codec: CodecName = 'json',
    token = cluster.playerToken(hunt, freshPlayer('mal')),
  ): Promise<BareSocket> => BareSocket.open(cluster.ws, { codec, token });

  before(async () => {
    cluster = await sharedCluster();
    hunt = (await cluster.createHunt(oldTown())).hunt_id;
    restarts = cluster.restarts();
    bystander = await Bystander.start(cluster);
  });
  after(async () => {
    await bystander?.unharmed();
    assert.equal(cluster.restarts(), restarts, 'bad input ended a process');
  });

  async function answersEach(codec: CodecName, messages: Readonly<Record<string, string | Buffer>>): Promise<void> {
    for (const group of chunks(Object.entries(messages), malformedMax)) {
      const socket = await open(codec);
      for (const [what, bytes] of group) {
        const since = socket.inbox.length;
        socket.sendRaw(bytes);
        const answer = await socket
          .take('err', () => true, { since })
          .catch((error: Error) => assert.fail(`${what}: ${error.message}`));
        assert.equal(answer.code, 'INVALID', `${what} was answered ${answer.code}: ${answer.message}`);
        assert.deepEqual(refusalFaults(answer), [], what);
      }
      await socket.settle();
      assert.deepEqual(socket.faults, []);
      socket.close();
    }
  }

  it('answers every malformed JSON message with INVALID and a sentence', () => answersEach('json', brokenJson));

  it('answers every malformed msgpack message with INVALID and a sentence', () =>
    answersEach('msgpack', brokenMsgpack));

  for (const codec of ['json', 'msgpack'] as const) {
    it(`answers every act with a bad action by a nack, in ${codec}`, async () => {
      let seq = 0;
      for (const group of chunks(Object.entries(brokenActions), malformedMax)) {
        const socket = await open(codec);
        for (const [what, action] of group) {
          seq++;
          socket.send({ t: 'act', hunt, seq, ...(action === undefined ? {} : { action }) });
          const nack = await socket.take(['ack', 'nack', 'err'], (one) => one.t === 'err' || one.seq === seq);
          assert.equal(
            nack.t,
            'nack',
            `${what}: an act with valid seq and hunt is always answered by ack or nack, not ${JSON.stringify(nack)}`,
          );
          assert.equal(nack.code, 'INVALID', `${what} was answered ${nack.code}: ${nack.message}`);
          assert.deepEqual(refusalFaults(nack), [], what);
        }
        assert.deepEqual(socket.faults, []);
        socket.close();
      }
    });
  }

  it('takes a wide integer as uint64 and as float64, and ignores unknown fields', async () => {
    for (const wideAs of ['uint64', 'float64'] as const) {
      const player = freshPlayer('wide');
      const socket = await BareSocket.open(cluster.ws, {
        codec: 'msgpack',
        token: cluster.playerToken(hunt, player),
        wideAs,
      });
      socket.send({
        t: 'act',
        hunt,
        seq: 1,
        unknown: { deep: [1] },
        action: { type: 'join', name: 'Wide', colour: 'red' },
      });
      assert.equal((await socket.take(['ack', 'nack'])).t, 'ack');
      socket.close();
    }
  });

  it('never echoes what it was sent', async () => {
    const socket = await open();
    socket.sendRaw('{"t":"sub","hunt":"<script>canary</script>"}');
    socket.sendRaw('{"t":"<script>canary</script>"}');
    socket.send({ t: 'act', hunt, seq: 1, action: { type: '<script>canary</script>' } });
    await socket.settle();
    assert.ok(!JSON.stringify(socket.inbox).includes('canary'), JSON.stringify(socket.inbox));
    socket.close();
  });

  it('closes with 4202 on the tenth malformed message, and on a frame of the wrong kind', async () => {
    const tenth = await open();
    for (let i = 0; i <= malformedMax; i++) tenth.sendRaw('{');
    assert.equal((await tenth.whenClosed()).code, 4202);
    assert.ok(tenth.inbox.filter((one) => one.t === 'err').length >= malformedMax);
    const binary = await open('json');
    binary.sendRaw(Buffer.from('{"t":"ping"}'));
    assert.equal((await binary.whenClosed()).code, 4202);
    const text = await open('msgpack');
    text.sendRaw('{"t":"ping"}');
    assert.equal((await text.whenClosed()).code, 4202);
  });

  it('closes with 1009 above 16 KiB, whole or in pieces, and with 1007 on bad UTF-8', async () => {
    for (const codec of ['json', 'msgpack'] as const) {
      const socket = await open(codec);
      socket.send({ t: 'ping', id: 'x'.repeat(17 * 1024) });
      assert.equal((await socket.whenClosed()).code, 1009);
    }
    const token = cluster.playerToken(hunt, freshPlayer('raw'));
    const pieces = await RawLine.upgraded(cluster.http, 'hunt.v1.json', token);
    pieces.write(wsFrame(opcode.text, Buffer.alloc(9_000, 0x20), { fin: false }));
    pieces.write(wsFrame(opcode.continuation, Buffer.alloc(9_000, 0x20)));
    await pieces.whenClosed();
    assert.equal(pieces.closeCode, 1009);
    const broken = await RawLine.upgraded(cluster.http, 'hunt.v1.json', token);
    broken.write(wsFrame(opcode.text, Buffer.from([0x22, 0xc3, 0x28, 0x22])));
    await broken.whenClosed();
    assert.equal(broken.closeCode, 1007);
  });

  it('closes on frames that no WebSocket allows, and takes pings', async () => {
    const token = cluster.playerToken(hunt, freshPlayer('raw'));
    const breaches: Readonly<Record<string, Buffer>> = {
      'an unmasked frame': wsFrame(opcode.text, Buffer.from('{"t":"ping"}'), { masked: false }),
      'a reserved opcode': wsFrame(opcode.reserved, Buffer.from('x')),
      'reserved bits': wsFrame(opcode.text, Buffer.from('x'), { rsv: 4 }),
      'a continuation of nothing': wsFrame(opcode.continuation, Buffer.from('x')),
      'a ping in pieces': wsFrame(opcode.ping, Buffer.from('x'), { fin: false }),
      'a ping of 126 bytes': wsFrame(opcode.ping, Buffer.alloc(126)),
      'a close with half a code': wsFrame(opcode.close, Buffer.from([3])),
      'a close with a code that is none': wsFrame(opcode.close, Buffer.from([0, 5])),
      noise: Buffer.from('GET / HTTP/1.1\r\n\r\n'.repeat(20)),
    };
    for (const [what, bytes] of Object.entries(breaches)) {
      const line = await RawLine.upgraded(cluster.http, 'hunt.v1.json', token);
      line.write(bytes);
      await line.whenClosed().catch(() => assert.fail(`${what} was let pass`));
      const code = line.closeCode;
      assert.ok(code === undefined || closeCodes.has(code), `${what} was closed with ${code}`);
    }
    const polite = await RawLine.upgraded(cluster.http, 'hunt.v1.json', token);
    polite.write(wsFrame(opcode.ping, Buffer.from('are you there')));
    await polite.until('a pong', (text) => text.includes('are you there'));
    polite.destroy();
  });

  it('limits a player that floods, retryably, and forgets nothing that it acked', async () => {
    const { hunt_id } = await cluster.createHunt(meadow(1));
    const player = freshPlayer('flood');
    const socket = await open('json', cluster.playerToken(hunt_id, player));
    await socket.act(hunt_id, 1, { type: 'join' });
    for (let seq = 2; seq <= 60; seq++)
      socket.send({ t: 'act', hunt: hunt_id, seq, action: { type: 'claim', treasure: 't0' } });
    const answered = () => socket.inbox.filter((one) => one.t === 'ack' || one.t === 'nack');
    await until('all acts to be answered', 10_000, () => answered().length >= 60);
    const replies = answered();
    const nacks = replies.filter((one) => one.t === 'nack');
    assert.equal(new Set(replies.map((one) => one.seq)).size, 60, 'every act is answered');
    assert.ok(
      nacks.some((one) => one.code === 'RATE_LIMITED'),
      'the bucket of 30 let 60 through',
    );
    for (const nack of nacks) {
      assert.ok(nack.retryable && ['RATE_LIMITED', 'BUSY'].includes(nack.code), JSON.stringify(nack));
      assert.deepEqual(refusalFaults(nack), []);
    }
    const history = await cluster.history(hunt_id);
    assert.equal(history.filter((event) => event.player === player).length, replies.length - nacks.length);
    socket.close();
  });

  it('lets readers that never read harm nobody', async () => {
    const { hunt_id } = await cluster.createHunt(meadow(4));
    const lines: RawLine[] = [];
    for (let i = 0; i < 8; i++) {
      const line = await RawLine.upgraded(
        cluster.http,
        'hunt.v1.json',
        cluster.playerToken(hunt_id, freshPlayer('deaf')),
      );
      line.socket.pause();
      line.write(wsFrame(opcode.text, Buffer.from(JSON.stringify({ t: 'sub', hunt: hunt_id }))));
      lines.push(line);
    }
    const player = freshPlayer('busy');
    const act = (seq: number, action: object) =>
      cluster.call('POST', `/v1/hunts/${hunt_id}/actions`, { body: { player, seq, action } });
    assert.equal((await act(1, { type: 'join' })).status, 200);
    for (let first = 2; first < 200; first += 10) {
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, i) => act(first + i, { type: 'claim', treasure: 't0' })),
      );
      for (const answer of answers) assert.equal(answer.status, 200, answer.text);
    }
    for (const line of lines) line.destroy();
  });
});
