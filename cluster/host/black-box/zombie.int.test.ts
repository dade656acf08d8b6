import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { SubmitReply, SubmitRequest } from '../../../proto/generated/hunt/v1/ingest.ts';
import { Call, CallReply, Hello } from '../../../proto/generated/node/v1/link.ts';
import { FrameReader, frame, frameType } from '../../../runtime/link/frame.ts';
import { ClusterProcess } from './cluster-process.ts';
import { until } from './deadline.ts';
import { meadow } from './definitions.ts';

interface Ring {
  readonly nodes: readonly {
    readonly id: string;
    readonly state: string;
    readonly addr: string;
    incarnation: number;
  }[];
  readonly owners: readonly string[];
}

/** A gateway that never learns of a newer view: whatever the node says, it hears. */
class StaleGateway {
  readonly replies: SubmitReply[] = [];
  readonly callReplies: CallReply[] = [];
  isOver = false;
  readonly #socket: Socket;
  #calls = 0;

  constructor(addr: string) {
    this.#socket = connect(addr);
    const frames = new FrameReader();
    this.#socket.on('data', (chunk) => frames.push(chunk, (type, payload) => this.#frame(type, payload)));
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => (this.isOver = true));
    this.#socket.write(frame(frameType.hello, Hello.encode({ protocol: 1, peer: 'stale', view: 1 }).finish()));
  }

  submit(huntId: number, playerId: string, seq: number, treasure: string): void {
    const action = {
      action: {
        $case: 'claim' as const,
        value: { treasure, lat: undefined, lon: undefined, accuracy: undefined, code: '' },
      },
    };
    const request = SubmitRequest.encode({ huntId, playerId, seq, action }).finish();
    assert.ok(request.length < 128);
    this.#socket.write(frame(frameType.submit, Buffer.from([0x0a, request.length]), request));
  }
  read(huntId: number, method: string): void {
    const number = Buffer.alloc(4);
    number.writeUInt32LE(this.#calls++, 0);
    const body = Buffer.from(JSON.stringify({ limit: 10, offset: 0 }));
    this.#socket.write(
      frame(frameType.call, number, Call.encode({ kind: 'hunt', actorId: huntId, method, body }).finish()),
    );
  }
  close(): void {
    this.#socket.destroy();
  }

  #frame(type: number, payload: Buffer): void {
    if (type === frameType.callReply) this.callReplies.push(CallReply.decode(payload.subarray(4)));
    if (type !== frameType.replies) return;
    for (let at = 0; at + 8 <= payload.length; ) {
      const length = payload.readUInt32LE(at + 4);
      this.replies.push(SubmitReply.decode(payload.subarray(at + 8, at + 8 + length)));
      at += 8 + length;
    }
  }
}

const codeOf = (reply: SubmitReply): string =>
  reply.outcome?.$case === 'nack' ? reply.outcome.value.code : (reply.outcome?.$case ?? '');
/** What says no more than "not here, not now". */
const evasive: ReadonlySet<string> = new Set(['NOT_OWNER', 'BUSY', 'UNAVAILABLE']);

describe('a node that was stopped past every timeout, and continued', function () {
  this.timeout(90_000);
  let cluster: ClusterProcess;
  before(async () => {
    cluster = await ClusterProcess.start({ nodes: 3, flags: ['--no-respawn'] });
  });
  after(() => cluster?.stopAndRemove());

  it('neither acks nor nacks what it was asked, nor tells anything of the past, to a gateway that knows no better', async () => {
    const { hunt_id: hunt, slot } = await cluster.createHunt(meadow(8));
    const act = async (player: string, seq: number, action: object) => {
      const body = { player, seq, action };
      return (await cluster.call('POST', `/v1/hunts/${hunt}/actions`, { body })).status;
    };
    for (const player of ['ann', 'bob']) assert.equal(await act(player, 1, { type: 'join', name: player }), 200);
    const ring = () => cluster.expect<Ring>('GET', '/v1/cluster', { token: cluster.tokens.operator });
    const was = await ring();
    const owner = was.nodes.find((node) => node.id === was.owners[slot]) ?? assert.fail('the slot has no owner');
    const stale = new StaleGateway(owner.addr);
    stale.submit(hunt, 'ann', 2, 't0');
    stale.read(hunt, 'scoreboard');
    await until('the owner to answer as it should', 5_000, () => stale.replies.length + stale.callReplies.length === 2);
    assert.deepEqual([stale.replies.map(codeOf), stale.callReplies[0]?.code], [['ack'], '']);

    const { pid } = cluster.kill(owner.id, 'SIGSTOP');
    try {
      await until('the hunt to be served elsewhere', 20_000, async () => (await act('bob', 2, claim('t0'))) === 200);
      assert.equal((await ring()).nodes.find((node) => node.id === owner.id)?.state, 'dead');
      assert.equal(await act('ann', 3, claim('t1')), 200);
      // A resend whose first outcome it knows, what its own state would refuse, what it would accept, and reads of the past.
      stale.submit(hunt, 'ann', 2, 't0');
      stale.submit(hunt, 'ann', 4, 't0');
      stale.submit(hunt, 'ann', 5, 't2');
      stale.submit(hunt, 'bob', 3, 'nothing');
      for (const method of ['scoreboard', 'show', 'access']) stale.read(hunt, method);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await until(`${owner.id} to join again`, 15_000, async () => {
      const node = (await ring()).nodes.find((one) => one.id === owner.id);
      return node?.state === 'active' && node.incarnation > owner.incarnation;
    });
    await until('the old link to end', 5_000, () => stale.isOver);
    const said = [...stale.replies.slice(1).map(codeOf), ...stale.callReplies.slice(1).map((reply) => reply.code)];
    for (const code of said) assert.ok(evasive.has(code), `it said ${code === '' ? 'an answer' : code}`);
    stale.close();
    const history = await cluster.history(hunt);
    assert.deepEqual(
      history.filter((event) => event.type === 'TreasureClaimed').map((event) => [event.player, event.treasure]),
      [
        ['ann', 't0'],
        ['bob', 't0'],
        ['ann', 't1'],
      ],
    );
  });
});

const claim = (treasure: string) => ({ type: 'claim', treasure });
