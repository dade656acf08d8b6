import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Call, CallReply, Hello } from '../../proto/generated/node/v1/link.ts';
import { counterReply, counterRequest } from '../counter.fixture.ts';
import { FrameReader, frame, frameType } from '../link/frame.ts';
import { listenAddress } from '../link/sockets.ts';
import { counterId, newOwner, newWorld, type TestNode, until, type World } from '../runtime.fixture.ts';
import { Intake } from './intake.ts';

describe('the intake of a node', () => {
  let folder: string;
  let world: World;
  let node: TestNode;
  let intake: Intake;
  let socket: Socket;
  let view = 5;
  const frames: { type: number; payload: Buffer }[] = [];
  let isClosed = false;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hunt-intake-'));
    world = newWorld();
    node = await newOwner(world);
    view = 5;
    intake = await Intake.listen({
      addr: join(folder, 'n'),
      nodeKey: 'n1@1',
      host: node.host,
      timers: world.time.timers,
      view: () => view,
    });
    frames.length = 0;
    isClosed = false;
    socket = createConnection(join(folder, 'n'));
    const reader = new FrameReader();
    socket.on('data', (chunk) =>
      reader.push(chunk as Buffer, (type, payload) => frames.push({ type, payload: Buffer.from(payload) })),
    );
    socket.on('close', () => (isClosed = true));
    socket.on('error', () => {});
    await until('the greeting', () => frames.length === 1);
  });

  afterEach(async () => {
    socket.destroy();
    await intake.close();
    node.host.abandon();
    await rm(folder, { recursive: true });
  });

  const of = (type: number): Buffer[] =>
    frames.filter((received) => received.type === type).map(({ payload }) => payload);
  const submitFrame = (...requests: Buffer[]): Buffer =>
    frame(
      frameType.submit,
      ...requests.flatMap((request) => [
        Buffer.from([0x0a, (request.length & 127) | 128, request.length >> 7]),
        request,
      ]),
    );
  const replies = (payload: Buffer): { number: number; reply: ReturnType<typeof counterReply> }[] => {
    const out: { number: number; reply: ReturnType<typeof counterReply> }[] = [];
    for (let at = 0; at < payload.length; ) {
      const length = payload.readUInt32LE(at + 4);
      out.push({ number: payload.readUInt32LE(at), reply: counterReply(payload.subarray(at + 8, at + 8 + length)) });
      at += 8 + length;
    }
    return out;
  };

  it('greets with its incarnation and its view, and tells of a newer one', async () => {
    assert.deepEqual(Hello.decode(frames[0]?.payload as Buffer), { protocol: 1, peer: 'n1@1', view: 5 });
    view = 6;
    intake.announceView();
    intake.announceView();
    await until('the view', () => of(frameType.view).length === 1);
    assert.equal(of(frameType.view)[0]?.readBigUInt64LE(0), 6n);
  });

  it('answers all requests of a frame in one frame, by their numbers, with the taken', async () => {
    const request = (player: string, n: number): Buffer =>
      counterRequest({ id: counterId, player, seq: 1, action: { type: 'add', n } });
    const created = world.log.calls.append;
    socket.write(submitFrame(request('ada', 1), request('bob', 2), request('cleo', 3)));
    await until('the replies', () => of(frameType.replies).length === 1 && of(frameType.taken).length === 1);
    const [payload] = of(frameType.replies);
    assert.deepEqual(
      replies(payload as Buffer).map(({ number, reply }) => [number, reply.player, reply.ack?.version]),
      [
        [0, 'ada', 2],
        [1, 'bob', 3],
        [2, 'cleo', 4],
      ],
    );
    assert.equal(world.log.calls.append, created + 1, 'one turn, one append');
    socket.write(submitFrame(request('dan', 1)));
    await until('the next reply', () => of(frameType.replies).length === 2);
    assert.equal(replies(of(frameType.replies)[1] as Buffer)[0]?.number, 3);
  });

  it('says taken when the frame was decided, and not only when it is durable', async () => {
    world.log.hold('requests');
    socket.write(submitFrame(counterRequest({ id: counterId, player: 'ada', seq: 1, action: { type: 'add', n: 1 } })));
    await until('the taken', () => of(frameType.taken).length === 1);
    assert.equal(of(frameType.replies).length, 0);
    world.log.release();
    await until('the reply', () => of(frameType.replies).length === 1);
  });

  it('carries calls, done and refused', async () => {
    const call = (number: number, method: string, body: unknown): void => {
      const head = Buffer.alloc(4);
      head.writeUInt32LE(number);
      socket.write(
        frame(
          frameType.call,
          head,
          Call.encode({
            kind: 'counter',
            actorId: counterId,
            method,
            body: Buffer.from(JSON.stringify(body)),
          }).finish(),
        ),
      );
    };
    call(7, 'add', { n: 5 });
    call(8, 'total', {});
    call(9, 'nonsense', {});
    await until('three answers', () => of(frameType.callReply).length === 3);
    const answers = new Map(
      of(frameType.callReply).map((payload) => [payload.readUInt32LE(0), CallReply.decode(payload.subarray(4))]),
    );
    assert.equal(answers.get(7)?.version, 2);
    assert.deepEqual(JSON.parse(answers.get(8)?.body.toString() ?? ''), { total: 5, version: 2 });
    assert.equal(answers.get(9)?.code, 'INVALID');
  });

  it('ends a link that carries damage, and serves the next', async () => {
    socket.write(frame(frameType.submit, Buffer.from([0x0a, 0x7f, 1])));
    await until('the end of the link', () => isClosed);
    const next = createConnection(join(folder, 'n'));
    let isGreeted = false;
    next.on('data', () => (isGreeted = true));
    await until('the greeting', () => isGreeted);
    next.destroy();
    await until('no link', () => intake.links === 0);
  });

  it('listens on a path or on host and port', () => {
    assert.deepEqual(listenAddress('/tmp/a:b/n1.sock'), { path: '/tmp/a:b/n1.sock' });
    assert.deepEqual(listenAddress('127.0.0.1:7001'), { host: '127.0.0.1', port: 7001 });
    assert.deepEqual(listenAddress('[::1]:7001'), { host: '::1', port: 7001 });
  });
});
