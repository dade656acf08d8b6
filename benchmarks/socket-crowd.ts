/**
 * Many sockets of many players in one process, as light as a client can be: a frame is looked into only when it may be a reply.
 * Player i plays in `hunts[i mod hunts]` and has joined; one action a socket is in flight, what comes due meanwhile waits, and
 * its waiting counts.
 */
import WebSocket from 'ws';
import type { ClusterProcess } from '../cluster/host/black-box/cluster-process.ts';
import { until, within } from '../cluster/host/black-box/deadline.ts';
import type { Quantiles } from './quantiles.ts';
import { SubmitLoad } from './submit-load.ts';

const openAtOnce = 32;
const openWithinMs = 20_000;
/** Replies are short, and name their kind. */
const replyBytesMax = 1_024;
const ackMark = Buffer.from('"ack"');
const nackMark = Buffer.from('"nack"');

interface Seat {
  readonly socket: WebSocket;
  readonly hunt: number;
  seq: number;
  /** When the action in flight was due; 0 = none is. */
  due: number;
  readonly waiting: number[];
}

export class SocketCrowd {
  readonly seats: Seat[] = [];
  acked = 0;
  framesReceived = 0;
  readonly refused = new Map<string, number>();
  closes = 0;

  constructor(
    private readonly cluster: ClusterProcess,
    private readonly hunts: readonly number[],
    private readonly latencies: Quantiles,
    private readonly treasures: number,
    /** The highest seq that the players have used. */
    private readonly seqUsed = 1,
  ) {}

  /** Opens sockets for players 0 .. `count` - 1; with `subscribe`, waits until each is live. */
  async open(count: number, subscribe: boolean): Promise<void> {
    const urls = this.cluster.sockets;
    let next = this.seats.length;
    const one = async (): Promise<void> => {
      while (next < count) {
        const i = next++;
        this.seats.push(await this.#seat(i, urls[i % urls.length] as string, subscribe));
      }
    };
    await Promise.all(Array.from({ length: Math.min(openAtOnce, count) }, one));
  }

  async #seat(i: number, url: string, subscribe: boolean): Promise<Seat> {
    const hunt = this.hunts[i % this.hunts.length] as number;
    const token = this.cluster.playerToken(hunt, SubmitLoad.playerId(i));
    const socket = new WebSocket(url, ['hunt.v1.json'], {
      perMessageDeflate: false,
      skipUTF8Validation: true,
      headers: { authorization: `Bearer ${token}` },
    });
    const seat: Seat = { socket, hunt, seq: this.seqUsed, due: 0, waiting: [] };
    const awaited = Buffer.from(subscribe ? '"live"' : '"ready"');
    await within(
      `socket ${i} to be ${subscribe ? 'live' : 'ready'}`,
      openWithinMs,
      new Promise<void>((ready, failed) => {
        socket.on('error', failed);
        socket.on('close', (code) => {
          this.closes++;
          failed(new Error(`socket ${i} was closed with ${code}`));
        });
        socket.on('message', (data: Buffer) => {
          this.framesReceived++;
          if (data.length < replyBytesMax && (data.includes(ackMark) || data.includes(nackMark)))
            this.#reply(seat, data);
          else if (data.includes(awaited)) ready();
        });
        socket.once('open', () => subscribe && socket.send(JSON.stringify({ t: 'sub', hunt })));
      }),
    );
    return seat;
  }

  #reply(seat: Seat, data: Buffer): void {
    const reply = JSON.parse(data.toString()) as { t: string; code?: string; retryable?: boolean };
    if ((reply.t !== 'ack' && reply.t !== 'nack') || seat.due === 0) return;
    if (reply.t === 'nack' && reply.retryable === true) {
      this.refused.set(reply.code ?? '', (this.refused.get(reply.code ?? '') ?? 0) + 1);
      this.#send(seat);
      return;
    }
    if (reply.t === 'ack') {
      this.acked++;
      this.latencies.add(performance.now() - seat.due);
    } else this.refused.set(reply.code ?? '', (this.refused.get(reply.code ?? '') ?? 0) + 1);
    seat.due = 0;
    const next = seat.waiting.shift();
    if (next !== undefined) this.act(seat, next);
  }

  /** Lets that seat act; behind its action in flight, if there is one. */
  act(seat: Seat, due: number): void {
    if (seat.due !== 0) {
      seat.waiting.push(due);
      return;
    }
    seat.seq++;
    seat.due = due;
    this.#send(seat);
  }

  #send(seat: Seat): void {
    seat.socket.send(
      `{"t":"act","seq":${seat.seq},"hunt":${seat.hunt},"action":{"type":"claim","treasure":"t${seat.seq % this.treasures}"}}`,
    );
  }

  get unanswered(): number {
    return this.seats.reduce((sum, seat) => sum + (seat.due === 0 ? 0 : 1) + seat.waiting.length, 0);
  }

  drained(ms = 30_000): Promise<unknown> {
    return until('every action to be answered', ms, () => this.unanswered === 0);
  }

  close(): void {
    for (const { socket } of this.seats) socket.terminate();
  }
}
