import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { huntActor } from '../../actors/hunt/actor.ts';
import { joinCodeActor } from '../../actors/join-code/actor.ts';
import { requestKeyActor } from '../../actors/request-key/actor.ts';
import {
  SubmitRequest as Request,
  SubmitBatch,
  SubmitReply,
  type SubmitRequest,
} from '../../proto/generated/hunt/v1/ingest.ts';
import { Call, CallReply, Hello } from '../../proto/generated/node/v1/link.ts';
import type { Slot } from '../../proto/ids.ts';
import type { Timers } from '../../runtime/kernel/timer.ts';
import { FrameReader, frame, frameType } from '../../runtime/link/frame.ts';
import { inFlightMax } from './player-lane.ts';
import { nackReply } from './reply.ts';
import type { NodeAddress } from './route.ts';
import { answerMsMax, busyPatienceMs, Router, reads, waitingBytesMax } from './router.ts';

/** A node at the other end of a link, answering as the test says. */
class TestNode {
  readonly received: SubmitRequest[] = [];
  readonly calls: { number: number; call: Call }[] = [];
  readonly frames: number[] = [];
  #asked = 0;
  readonly #reader = new FrameReader();
  readonly #toGateway: Duplex;
  readonly gatewayEnd: Duplex;

  constructor(readonly peer: string) {
    let gatewayEnd: Duplex;
    this.#toGateway = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _e, done) => {
        queueMicrotask(() => gatewayEnd.push(chunk));
        done();
      },
    });
    gatewayEnd = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _e, done) => {
        this.#reader.push(chunk, (type, payload) => this.#frame(type, payload));
        done();
      },
    });
    this.gatewayEnd = gatewayEnd;
    setImmediate(() => {
      gatewayEnd.emit('connect');
      this.#toGateway.write(frame(frameType.hello, Hello.encode({ protocol: 1, peer, view: 1 }).finish()));
    });
  }

  #frame(type: number, payload: Buffer): void {
    if (type === frameType.submit) {
      const { requests } = SubmitBatch.decode(payload);
      this.frames.push(requests.length);
      this.received.push(...requests);
    } else if (type === frameType.call)
      this.calls.push({ number: payload.readUInt32LE(0), call: Call.decode(payload.subarray(4)) });
  }
  taken(): void {
    this.#toGateway.write(frame(frameType.taken));
  }
  /** Answers the request with that number on the link; by default the next one. */
  reply(bytes: Uint8Array, number = this.#asked): void {
    this.#asked = Math.max(this.#asked, number + 1);
    const head = Buffer.alloc(8);
    head.writeUInt32LE(number, 0);
    head.writeUInt32LE(bytes.length, 4);
    this.#toGateway.write(frame(frameType.replies, head, bytes));
  }
  replyCall(number: number, reply: Partial<CallReply>): void {
    const head = Buffer.alloc(4);
    head.writeUInt32LE(number, 0);
    const whole = { code: '', message: '', retryMs: 0, version: 1, detailJson: '', body: Buffer.from('{}'), ...reply };
    this.#toGateway.write(frame(frameType.callReply, head, CallReply.encode(whole).finish()));
  }
  die(): void {
    this.gatewayEnd.destroy();
  }
}

class World {
  readonly nodes: TestNode[] = [];
  owner: NodeAddress | undefined = { id: 'n1', incarnation: 1, addr: 'a' };
  view = 1;
  ahead = 0;
  readonly #listeners = new Set<() => void>();
  readonly #timers: { at: number; run: () => void; every?: number; dead?: boolean }[] = [];
  readonly router: Router;

  constructor() {
    const timers: Timers = {
      after: (ms, run) => this.#arm({ at: this.ahead + ms, run }),
      every: (ms, run) => this.#arm({ at: this.ahead + ms, run, every: ms }),
      soon: (run) => void setImmediate(run),
    };
    this.router = new Router({
      placement: {
        view: 1,
        ownerOf: (_slot: Slot) => this.owner,
        onChange: (listener) => {
          this.#listeners.add(listener);
          return () => this.#listeners.delete(listener);
        },
      },
      connect: () => {
        const node = new TestNode(`${this.owner?.id}@${this.owner?.incarnation}`);
        this.nodes.push(node);
        return node.gatewayEnd;
      },
      clock: { now: () => this.ahead, monotonic: () => this.ahead },
      timers,
      random: { next: () => 0.5, token: () => 'x' },
      name: 'g1',
    });
  }
  #arm(timer: { at: number; run: () => void; every?: number; dead?: boolean }): () => void {
    this.#timers.push(timer);
    return () => {
      timer.dead = true;
    };
  }
  async pass(ms: number): Promise<void> {
    const end = this.ahead + ms;
    for (;;) {
      const next = this.#timers.filter((t) => !t.dead && t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.ahead = next.at;
      if (next.every === undefined) next.dead = true;
      else next.at += next.every;
      next.run();
      await quiet();
    }
    this.ahead = end;
    await quiet();
  }
  moveTo(owner: NodeAddress | undefined): void {
    this.owner = owner;
    for (const listener of this.#listeners) listener();
  }
  submit(player: string, seq: number): { replies: SubmitReply[] } {
    const replies: SubmitReply[] = [];
    const bytes = Request.encode({ huntId: 7, playerId: player, seq, action: undefined }).finish();
    this.router.submit(7, player, seq, bytes, (reply) => replies.push(SubmitReply.decode(reply)));
    return { replies };
  }
}

const quiet = async (): Promise<void> => {
  for (let i = 0; i < 6; i++) await new Promise((resolve) => setImmediate(resolve));
};
const ack = (playerId: string, seq: number): Uint8Array =>
  SubmitReply.encode({
    huntId: 7,
    playerId,
    seq,
    outcome: { $case: 'ack', value: { version: seq, events: 1, duplicate: false, result: undefined } },
  }).finish();
const nack = (playerId: string, seq: number, code: 'NOT_OWNER' | 'NOT_JOINED' | 'BUSY'): Uint8Array =>
  nackReply({ huntId: 7, playerId, seq }, code, 'a sentence');
const codeOf = (reply: SubmitReply | undefined): string | undefined =>
  reply?.outcome?.$case === 'nack' ? reply.outcome.value.code : reply?.outcome?.$case;
const seqs = (node: TestNode | undefined): number[] => (node?.received ?? []).map((request) => request.seq);

describe('the router', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });
  afterEach(() => world.router.close());

  it('sends at once when idle, and makes one frame of what comes while one is in flight', async () => {
    const first = world.submit('ann', 1);
    await quiet();
    for (let seq = 2; seq <= 5; seq++) world.submit('ann', seq);
    await quiet();
    assert.deepEqual(world.nodes[0]?.frames, [1]);
    world.nodes[0]?.taken();
    await quiet();
    assert.deepEqual(world.nodes[0]?.frames, [1, 4]);
    world.nodes[0]?.reply(ack('ann', 1));
    await quiet();
    assert.equal(codeOf(first.replies[0]), 'ack');
  });

  it('resends to the new incarnation what a killed node did not answer, in order and with the same seq', async () => {
    const [a, b] = [world.submit('ann', 1), world.submit('ann', 2)];
    await quiet();
    world.nodes[0]?.die();
    await quiet();
    world.moveTo({ id: 'n1', incarnation: 2, addr: 'a' });
    await quiet();
    assert.deepEqual(seqs(world.nodes[1]), [1, 2]);
    world.nodes[1]?.reply(ack('ann', 1));
    world.nodes[1]?.reply(ack('ann', 2));
    await quiet();
    assert.deepEqual(
      [a, b].map(({ replies }) => replies.map(codeOf)),
      [['ack'], ['ack']],
    );
  });

  it('drops the refusal of a node that no longer owns the slot, and asks the owner', async () => {
    const command = world.submit('ann', 1);
    await quiet();
    const zombie = world.nodes[0];
    world.moveTo({ id: 'n2', incarnation: 1, addr: 'b' });
    await quiet();
    zombie?.reply(nack('ann', 1, 'NOT_JOINED'));
    await quiet();
    assert.deepEqual(command.replies, []);
    world.nodes[1]?.reply(ack('ann', 1));
    await quiet();
    assert.equal(codeOf(command.replies[0]), 'ack');
  });

  it('takes back what a stopped node has not even been sent', async () => {
    world.submit('ann', 1);
    await quiet();
    world.submit('ann', 2);
    await quiet();
    world.moveTo({ id: 'n2', incarnation: 1, addr: 'b' });
    await quiet();
    assert.deepEqual(seqs(world.nodes[1]), [1, 2]);
  });

  it('retries NOT_OWNER, and keeps a later command of the player from being refused before it', async () => {
    const [join, claim] = [world.submit('ann', 1), world.submit('ann', 2)];
    await quiet();
    const node = world.nodes[0];
    node?.taken();
    node?.reply(nack('ann', 1, 'NOT_OWNER'));
    node?.reply(nack('ann', 2, 'NOT_JOINED'));
    await quiet();
    assert.deepEqual(claim.replies, []);
    await world.pass(300);
    assert.deepEqual(seqs(node), [1, 2, 1, 2]);
    node?.reply(ack('ann', 1));
    node?.reply(ack('ann', 2));
    await quiet();
    assert.deepEqual([codeOf(join.replies[0]), codeOf(claim.replies[0])], ['ack', 'ack']);
  });

  it('says BUSY within its bound for what was surely not sent, UNAVAILABLE for what may have been done', async () => {
    world.owner = undefined;
    const unsent = world.submit('ann', 1);
    await world.pass(answerMsMax + 200);
    assert.equal(codeOf(unsent.replies[0]), 'BUSY');
    world.moveTo({ id: 'n1', incarnation: 1, addr: 'a' });
    const sent = world.submit('ann', 2);
    await quiet();
    await world.pass(answerMsMax + 200);
    assert.equal(codeOf(sent.replies[0]), 'UNAVAILABLE');
    assert.equal(sent.replies.length, 1);
  });

  it('passes no BUSY on for what an earlier owner may have done: only that try was surely not it', async () => {
    const command = world.submit('ann', 1);
    await quiet();
    world.nodes[0]?.die();
    await world.pass(busyPatienceMs);
    world.nodes[1]?.reply(nack('ann', 1, 'BUSY'));
    await quiet();
    assert.deepEqual(command.replies.map(codeOf), ['UNAVAILABLE']);
  });

  it('never sends what it has told to be surely not sent', async () => {
    world.submit('ann', 1);
    await quiet();
    const boxed = world.submit('bob', 1);
    await quiet();
    await world.pass(answerMsMax + 200);
    assert.equal(codeOf(boxed.replies[0]), 'BUSY');
    world.nodes[0]?.taken();
    await quiet();
    assert.deepEqual(
      world.nodes[0]?.received.map((request) => request.playerId),
      ['ann'],
    );
  });

  it('has at most 16 commands of a player and hunt in flight', async () => {
    const all = Array.from({ length: inFlightMax + 1 }, (_, i) => world.submit('ann', i + 1));
    assert.equal(codeOf(all[inFlightMax]?.replies[0]), 'BUSY');
    assert.deepEqual(world.submit('bob', 1).replies, []);
  });

  it('resends a read by itself, a command only when it was surely not done', async () => {
    const read = world.router.call({ kind: 'hunt', id: 7 }, 'views', { players: [] });
    const verb = world.router.call({ kind: 'hunt', id: 7 }, 'close', { by: 'dora' });
    await quiet();
    world.nodes[0]?.die();
    const lost = await verb;
    assert.equal(lost.ok ? '' : lost.code, 'UNAVAILABLE');
    await world.pass(100);
    const again = world.nodes[1];
    assert.equal(again?.calls[0]?.call.method, 'views');
    again?.replyCall(again.calls[0]?.number ?? -1, { code: 'NOT_OWNER' });
    await world.pass(300);
    again?.replyCall(again.calls[1]?.number ?? -1, { version: 9, body: Buffer.from('{"x":1}') });
    assert.deepEqual(await read, { ok: true, version: 9, body: { x: 1 } });
  });

  it('knows exactly the queries that there are as reads', () => {
    const kinds = [huntActor, joinCodeActor, requestKeyActor] as const;
    assert.deepEqual(
      Object.fromEntries(Object.entries(reads).map(([kind, names]) => [kind, [...names].sort()])),
      Object.fromEntries(kinds.map(({ kind, queries }) => [kind, Object.keys(queries).sort()])),
    );
  });

  it('holds no more bytes of commands and calls that wait than it may', async () => {
    world.owner = undefined;
    const body = { definition: 'x'.repeat(1024 * 1024) };
    const calls = Array.from({ length: waitingBytesMax / 1024 / 1024 }, () =>
      world.router.call({ kind: 'hunt', id: 7 }, 'publish', body),
    );
    const refused = await world.router.call({ kind: 'hunt', id: 7 }, 'access', {});
    assert.deepEqual(refused.ok ? '' : refused.code, 'BUSY');
    assert.equal(codeOf(world.submit('ann', 1).replies[0]), 'BUSY');
    await world.pass(answerMsMax + 200);
    assert.ok((await Promise.all(calls)).every((outcome) => !outcome.ok && outcome.code === 'BUSY'));
    // All were answered, and there is room again.
    assert.deepEqual(world.submit('ann', 2).replies, []);
  });
});
