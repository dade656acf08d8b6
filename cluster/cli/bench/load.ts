/**
 * A closed loop over gRPC: every player keeps `inFlight` commands open and sends the next when one is answered.
 *
 * Owns: the players' seqs and what of them is unanswered, and the streams. Every refusal that may be sent again is, with
 * the same seq; any other one is an error of the run.
 */
import { type ClientDuplexStream, credentials, Metadata } from '@grpc/grpc-js';
import {
  type Action,
  HuntStateClient,
  type ReplyBatch,
  type SubmitBatch,
  type SubmitReply,
  type SubmitRequest,
} from '../../../proto/generated/hunt/v1/ingest.ts';
import { Latencies } from './latencies.ts';

export interface LoadOptions {
  readonly grpc: string;
  readonly token: string;
  readonly hunts: readonly number[];
  readonly players: number;
  readonly inFlight: number;
  readonly treasures: number;
}

/** Streams, and with them HTTP/2 connections, that share the load. */
const streamsMax = 4;
const requestsPerBatch = 500;
const retryMsDefault = 50;

interface Player {
  readonly hunt: number;
  readonly id: string;
  readonly stream: Lane;
  seq: number;
  joined: boolean;
  readonly open: Map<number, { action: Action; sentAt: number }>;
}

export class Load {
  readonly #players = new Map<string, Player>();
  readonly #lanes: Lane[];
  readonly #options: LoadOptions;
  errors = 0;
  readonly refusals: Record<string, number> = {};
  latencies = new Latencies();
  #running = true;
  #joined = 0;
  #open = 0;
  #changed: () => void = () => undefined;

  constructor(options: LoadOptions) {
    this.#options = options;
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${options.token}`);
    this.#lanes = Array.from(
      { length: Math.min(streamsMax, options.hunts.length) },
      () =>
        new Lane(
          options.grpc,
          metadata,
          (reply) => this.#reply(reply),
          (error) => this.#failed(error),
        ),
    );
    for (const [i, hunt] of options.hunts.entries()) {
      for (let p = 1; p <= options.players; p++) {
        const player: Player = {
          hunt,
          id: `p${p}`,
          stream: this.#lanes[i % this.#lanes.length] as Lane,
          seq: 0,
          joined: false,
          open: new Map(),
        };
        this.#players.set(`${hunt}/${player.id}`, player);
      }
    }
  }

  get players(): number {
    return this.#players.size;
  }
  get joined(): number {
    return this.#joined;
  }

  /** Every player joins; resolves when all have. */
  async join(): Promise<void> {
    for (const player of this.#players.values())
      this.#send(player, { action: { $case: 'join', value: { name: player.id } } });
    await this.#until(() => this.#joined === this.#players.size);
  }
  start(): void {
    for (const player of this.#players.values()) for (let i = 0; i < this.#options.inFlight; i++) this.#next(player);
  }
  /** Stops sending and waits until nothing is unanswered, at most `ms`: what was offered counts, so it is drained. */
  async drain(ms: number): Promise<number> {
    this.#running = false;
    await Promise.race([this.#until(() => this.#open === 0), new Promise((resolve) => setTimeout(resolve, ms))]);
    return this.#open;
  }
  close(): void {
    this.#running = false;
    for (const lane of this.#lanes) lane.close();
  }

  #next(player: Player): void {
    const seq = player.seq + 1;
    // A lowest unanswered seq that waits for a resend keeps the player within the server's window of 16.
    let lowest = seq;
    for (const open of player.open.keys()) lowest = Math.min(lowest, open);
    if (seq - lowest >= 16) return;
    this.#send(player, {
      action: { $case: 'claim', value: { treasure: `t${seq % this.#options.treasures}`, code: '' } },
    });
  }
  #send(player: Player, action: Action): void {
    const seq = ++player.seq;
    player.open.set(seq, { action, sentAt: performance.now() });
    this.#open++;
    player.stream.submit({ huntId: player.hunt, playerId: player.id, seq, action });
  }

  #reply({ huntId, playerId, seq, outcome }: SubmitReply): void {
    const player = this.#players.get(`${huntId}/${playerId}`);
    const command = player?.open.get(seq);
    if (player === undefined || command === undefined) {
      this.errors++;
      this.#count('UNASKED_REPLY');
      return;
    }
    if (outcome?.$case === 'nack' && outcome.value.retryable) {
      this.#count(outcome.value.code);
      const resend = (): void => player.stream.submit({ huntId, playerId, seq, action: command.action });
      setTimeout(resend, outcome.value.retryMs || retryMsDefault);
      return;
    }
    player.open.delete(seq);
    this.#open--;
    if (outcome?.$case !== 'ack') {
      this.errors++;
      this.#count(outcome?.value.code ?? 'EMPTY_REPLY');
    } else if (player.joined) this.latencies.add(performance.now() - command.sentAt);
    else {
      player.joined = true;
      this.#joined++;
    }
    if (this.#running && player.joined && seq > 1)
      while (player.open.size < this.#options.inFlight && this.#advance(player));
    this.#changed();
  }
  #advance(player: Player): boolean {
    const before = player.seq;
    this.#next(player);
    return player.seq > before;
  }

  #failed(error: Error): void {
    this.errors++;
    this.#failure ??= error;
    this.#changed();
  }
  #failure: Error | undefined;
  #count(code: string): void {
    this.refusals[code] = (this.refusals[code] ?? 0) + 1;
  }
  #until(done: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#changed = () => {
        if (this.#failure !== undefined) reject(this.#failure);
        else if (done()) resolve();
      };
      this.#changed();
    });
  }
}

/** One stream. Requests of one turn of the event loop travel together. */
class Lane {
  readonly #client: HuntStateClient;
  readonly #stream: ClientDuplexStream<SubmitBatch, ReplyBatch>;
  #waiting: SubmitRequest[] = [];
  #scheduled = false;
  #closed = false;

  constructor(
    address: string,
    metadata: Metadata,
    onReply: (reply: SubmitReply) => void,
    onError: (error: Error) => void,
  ) {
    // A channel of its own: otherwise all streams would share one connection.
    this.#client = new HuntStateClient(address, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
    });
    this.#stream = this.#client.submitStream(metadata);
    this.#stream.on('data', (batch: ReplyBatch) => batch.replies.forEach(onReply));
    this.#stream.on('error', (error: Error) => {
      if (!this.#closed) onError(error);
    });
  }
  submit(request: SubmitRequest): void {
    if (this.#closed) return;
    this.#waiting.push(request);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      for (let at = 0; at < this.#waiting.length; at += requestsPerBatch)
        this.#stream.write({ requests: this.#waiting.slice(at, at + requestsPerBatch) });
      this.#waiting = [];
    });
  }
  close(): void {
    this.#closed = true;
    this.#stream.cancel();
    this.#client.close();
  }
}
