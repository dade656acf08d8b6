/**
 * The load generator for actions: gRPC SubmitStream with a designer's token, requests written by hand into one buffer a batch, so
 * that the generator costs as little as it can of the machine that it shares with the cluster (it is measured all the same).
 * Owns every player's seq and the scheduled time of what is in flight: at most 16 a player (PROTOCOL.md).
 */
import * as grpc from '@grpc/grpc-js';
import { until } from '../cluster/host/black-box/deadline.ts';
import { systemTimers } from '../runtime/kernel/timer.ts';
import type { Quantiles } from './quantiles.ts';
import { ReplyScan } from './reply-scan.ts';
import { writeVarint } from './varint.ts';

const windowSeqs = 16;
const batchMax = 1_000;
const requestBytesMax = 256;
const path = '/hunt.v1.HuntState/SubmitStream';

/** What every player does: its action's bytes (hunt.v1.Action), by a running number. */
export type ActionBytes = (n: number) => Buffer;

export class SubmitLoad {
  acked = 0;
  resent = 0;
  /** Actions that found their player's window full: the load could not be offered. */
  withheld = 0;
  readonly refused = new Map<string, number>();
  readonly #prefixes: Buffer[];
  readonly #seqs: Uint32Array;
  readonly #due: Float64Array;
  readonly #streams: grpc.ClientDuplexStream<Buffer, Buffer>[] = [];
  readonly #clients: grpc.Client[] = [];
  readonly #scan = new ReplyScan();
  #inFlight = 0;
  #turn = 0;
  #stream = 0;
  #failure: Error | undefined;

  /** Player i of the load plays in `hunts[i mod hunts]`, so that consecutive actions go to different hunts. */
  constructor(
    address: string,
    token: string,
    readonly hunts: readonly number[],
    readonly playersPerHunt: number,
    private readonly latencies: Quantiles,
    streams = 2,
  ) {
    const players = hunts.length * playersPerHunt;
    this.#prefixes = Array.from({ length: players }, (_, i) => prefixOf(hunts[i % hunts.length] as number, i));
    this.#seqs = new Uint32Array(players);
    this.#due = new Float64Array(players * windowSeqs);
    const metadata = new grpc.Metadata();
    metadata.set('authorization', `Bearer ${token}`);
    for (let i = 0; i < streams; i++) {
      const client = new grpc.Client(address, grpc.credentials.createInsecure(), {
        'grpc.use_local_subchannel_pool': 1,
        'grpc.max_receive_message_length': -1,
      });
      const stream = client.makeBidiStreamRequest(
        path,
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        metadata,
      );
      stream.on('data', (bytes: Buffer) => this.#replies(bytes));
      stream.on('error', (error: Error) => {
        this.#failure ??= error;
      });
      this.#clients.push(client);
      this.#streams.push(stream);
    }
  }

  get players(): number {
    return this.#prefixes.length;
  }
  get inFlight(): number {
    return this.#inFlight;
  }
  /** The id of player i. */
  static playerId = (i: number): string => `p${i}`;

  /** Sends `count` actions of the next players in turn; the k-th was due at `firstDue + k * step` (performance.now). */
  issue(count: number, action: ActionBytes, firstDue: number, step: number): void {
    if (this.#failure !== undefined) throw this.#failure;
    for (let done = 0; done < count; ) {
      const size = Math.min(batchMax, count - done);
      const batch = Buffer.allocUnsafe(size * requestBytesMax);
      let at = 0;
      for (let k = 0; k < size; k++) {
        const player = this.#turn;
        this.#turn = (player + 1) % this.#prefixes.length;
        const seq = (this.#seqs[player] as number) + 1;
        const cell = player * windowSeqs + (seq % windowSeqs);
        if (this.#due[cell] !== 0) {
          this.withheld++;
          continue;
        }
        this.#seqs[player] = seq;
        this.#due[cell] = firstDue + (done + k) * step;
        this.#inFlight++;
        at = writeRequest(batch, at, this.#prefixes[player] as Buffer, seq, action(seq));
      }
      done += size;
      if (at > 0) this.#send(batch.subarray(0, at));
    }
  }

  #send(bytes: Buffer): void {
    this.#stream = (this.#stream + 1) % this.#streams.length;
    this.#streams[this.#stream]?.write(bytes);
  }

  #replies(bytes: Buffer): void {
    const now = performance.now();
    this.#scan.each(bytes, (player, seq, code, retryMs) => {
      const cell = player * windowSeqs + (seq % windowSeqs);
      const due = this.#due[cell] as number;
      if (due === 0) return; // The second answer to a resend.
      if (code !== undefined && retryMs !== undefined) {
        this.resent++;
        systemTimers.after(Math.max(1, retryMs), () => this.#resend(player, seq));
        return;
      }
      this.#due[cell] = 0;
      this.#inFlight--;
      if (code === undefined) {
        this.acked++;
        this.latencies.add(now - due);
      } else this.refused.set(code, (this.refused.get(code) ?? 0) + 1);
    });
  }

  #resend(player: number, seq: number): void {
    const action = this.actionOf(seq);
    const bytes = Buffer.allocUnsafe(requestBytesMax);
    this.#send(bytes.subarray(0, writeRequest(bytes, 0, this.#prefixes[player] as Buffer, seq, action)));
  }

  /** The action that a seq stood for, so that a resend is the same command. */
  actionOf: ActionBytes = () => Buffer.alloc(0);

  /** Every player does `action` once, as fast as the cluster takes it: at most `inFlightMax` at a time. */
  async everyPlayer(action: ActionBytes, inFlightMax = 4_000): Promise<void> {
    this.actionOf = action;
    for (let sent = 0; sent < this.players; ) {
      const room = Math.min(batchMax, inFlightMax - this.#inFlight, this.players - sent);
      if (room > 0) {
        this.issue(room, action, performance.now(), 0);
        sent += room;
      }
      await until('room for more actions', 60_000, () => {
        if (this.#failure !== undefined) throw this.#failure;
        return this.#inFlight < inFlightMax;
      });
    }
    await this.drained();
  }

  drained(ms = 60_000): Promise<unknown> {
    return until('every action to be answered', ms, () => this.#inFlight === 0);
  }

  close(): void {
    for (const stream of this.#streams) stream.end();
    for (const client of this.#clients) client.close();
  }
}

/** SubmitRequest fields 1 and 2. */
function prefixOf(hunt: number, player: number): Buffer {
  const id = Buffer.from(SubmitLoad.playerId(player));
  const bytes = Buffer.alloc(32 + id.length);
  bytes[0] = 0x08;
  let at = writeVarint(bytes, 1, hunt);
  bytes[at++] = 0x12;
  bytes[at++] = id.length;
  at += id.copy(bytes, at);
  return bytes.subarray(0, at);
}

/** One entry of SubmitBatch.requests. Returns where the next begins. */
function writeRequest(out: Buffer, at: number, prefix: Buffer, seq: number, action: Buffer): number {
  const seqBytes = seq < 0x80 ? 1 : seq < 0x4000 ? 2 : seq < 0x200000 ? 3 : 4;
  const length = prefix.length + 1 + seqBytes + 2 + action.length;
  out[at++] = 0x0a;
  at = writeVarint(out, at, length);
  at += prefix.copy(out, at);
  out[at++] = 0x18;
  at = writeVarint(out, at, seq);
  out[at++] = 0x22;
  out[at++] = action.length;
  return at + action.copy(out, at);
}

/** Action bytes: join with a short name; claim of `t<n mod treasures>`. */
export const joinBytes: ActionBytes = () => Buffer.from([0x0a, 0x03, 0x0a, 0x01, 0x50]);
export function claimBytes(treasures: number): ActionBytes {
  const all = Array.from({ length: treasures }, (_, i) => {
    const id = Buffer.from(`t${i}`);
    return Buffer.concat([Buffer.from([0x32, id.length + 2, 0x0a, id.length]), id]);
  });
  return (n) => all[n % treasures] as Buffer;
}
