/**
 * One player at one socket, playing by hand in a test: sends an action, judges the form of the reply, keeps the ledger, the
 * private view and the subscription's judge. Does not reconnect; see steadfast-player.ts for one that does.
 */
import assert from 'node:assert/strict';
import { BareSocket, type CodecName } from './bare-socket.ts';
import { refusalFaults } from './catalogue.ts';
import type { ClusterProcess } from './cluster-process.ts';
import { until } from './deadline.ts';
import { type LedgerEntry, noted } from './judge/effects.ts';
import { told } from './judge/fault.ts';
import { SubscriptionJudge } from './judge/subscription.ts';
import {
  type Ack,
  type Action,
  type Board,
  type HuntView,
  type Me,
  type Mode,
  mergePatch,
  type Nack,
  type ServerMessage,
} from './wire.ts';

export interface SeatOptions {
  readonly codec?: CodecName;
  readonly mode?: Mode;
  readonly gateway?: number;
  readonly onBytes?: (bytes: Buffer) => void;
}

export class Seat {
  readonly ledger: LedgerEntry[] = [];
  readonly judge: SubscriptionJudge;
  me: Me | null = null;
  hunt: HuntView | undefined;
  board: Board | undefined;
  seq = 0;
  socket!: BareSocket;

  private constructor(
    readonly huntId: number,
    readonly player: string,
    mode: Mode,
  ) {
    this.judge = new SubscriptionJudge(mode);
  }

  /** Opens a socket for that player, subscribes, and waits until it is live. */
  static async take(
    cluster: ClusterProcess,
    huntId: number,
    player: string,
    { codec = 'json', mode = 'all', gateway = 0, onBytes }: SeatOptions = {},
  ): Promise<Seat> {
    const seat = new Seat(huntId, player, mode);
    const url = cluster.sockets[gateway] ?? cluster.ws;
    seat.socket = await BareSocket.open(url, {
      codec,
      token: cluster.playerToken(huntId, player),
      onMessage: (message) => seat.#hear(message),
      ...(onBytes === undefined ? {} : { onBytes }),
    });
    assert.equal(seat.socket.ready?.player, player);
    seat.judge.subscribed(undefined);
    seat.socket.send({ t: 'sub', hunt: huntId, mode });
    await seat.socket.take('live');
    return seat;
  }

  #hear(message: ServerMessage): void {
    if ('hunt' in message && message.hunt === this.huntId) this.judge.hear(message);
    if (message.t === 'snap') {
      this.me = message.state.me;
      this.hunt = message.state.hunt;
    } else if (message.t === 'me') this.me = mergePatch(message.full ? null : this.me, message.me) as Me;
    else if (message.t === 'board')
      this.board = {
        ...message,
        ...(message.me === undefined && this.board?.me !== undefined ? { me: this.board.me } : {}),
      };
  }

  async act(action: Action, seq: number = ++this.seq): Promise<Ack | Nack> {
    const reply = await this.socket.act(this.huntId, seq, action);
    const known = this.ledger.find((one) => one.seq === seq);
    if (known !== undefined) known.replies.push(noted(reply));
    else this.ledger.push({ player: this.player, seq, action, replies: [noted(reply)] });
    return reply;
  }

  /** The action must be acked, and its result must hold at least `result`. */
  async does(action: Action, result: Readonly<Record<string, unknown>> = {}, seq?: number): Promise<Ack> {
    const reply = await this.act(action, seq);
    const what = `${this.player} ${action.type}`;
    if (reply.t !== 'ack') assert.fail(`${what} was refused: ${reply.code} ${reply.message}`);
    assert.ok(reply.events >= 1 && reply.version >= reply.events, `${what}: an ack stands for at least one event`);
    for (const [field, want] of Object.entries(result))
      assert.deepEqual(reply.result[field], want, `${what}: ${field} is ${JSON.stringify(reply.result[field])}`);
    assert.equal(typeof reply.result.total, 'number', `${what}: every result has the total`);
    assert.equal(typeof reply.result.points, 'number', `${what}: every result has the points`);
    return reply;
  }

  /** The action must be refused with that code; `effect` = the refusal stands for logged events. */
  async mayNot(
    action: Action,
    code: string,
    { effect = false, seq }: { readonly effect?: boolean; readonly seq?: number } = {},
  ): Promise<Nack> {
    const reply = await this.act(action, seq);
    const what = `${this.player} ${action.type}`;
    assert.equal(reply.t, 'nack', `${what} was acked, ${code} was due`);
    const nack = reply as Nack;
    assert.equal(nack.code, code, `${what}: ${nack.code} ${nack.message}, ${code} was due`);
    assert.deepEqual(refusalFaults(nack), []);
    assert.equal(
      nack.version !== undefined,
      effect,
      `${what}: ${code} ${effect ? 'names the version of its effect' : 'has no effect, so no version'}`,
    );
    return nack;
  }

  sees(what: string, where: (me: Me) => boolean): Promise<true> {
    return until(`${this.player} to see ${what}`, 5_000, () => this.me !== null && where(this.me)).then(() => true);
  }

  /** No fault of form or order on this socket so far. */
  assertClean(): void {
    assert.deepEqual(this.socket.faults, []);
    assert.equal(this.judge.faults.length, 0, told(this.judge.faults));
  }
}
