/**
 * A player that keeps its promises over any number of connections, as the contract (section 5) asks of every client: it
 * reconnects, resumes from its cursor with the lineage, and resends what is unanswered with the same seq, lowest first.
 * Owns the ledger and the subscription's judge. At most `inFlightMax` commands are open, so that their seqs stay within 16.
 */
import { systemRandom } from '../../../runtime/kernel/random.ts';
import { systemTimers } from '../../../runtime/kernel/timer.ts';
import { BareSocket, type CodecName } from './bare-socket.ts';
import { delay, until } from './deadline.ts';
import { type LedgerEntry, noted } from './judge/effects.ts';
import { SubscriptionJudge } from './judge/subscription.ts';
import type { Ack, Action, Mode, Nack, ServerMessage } from './wire.ts';

export interface SteadfastOptions {
  /** Asked before every connection, so that a restarted cluster's new ports are found. */
  readonly urls: () => readonly string[];
  readonly token: string;
  readonly player: string;
  readonly hunt: number;
  readonly codec?: CodecName;
  readonly mode?: Mode;
  readonly inFlightMax?: number;
  /** Called at every first ack, with the time from the first sending to it. */
  readonly onAck?: (ms: number, seq: number) => void;
}

interface Open {
  readonly entry: LedgerEntry;
  readonly since: number;
  readonly done: (reply: Ack | Nack) => void;
  cancelResend: () => void;
}

const seqWindow = 16;
const resendAfterMs = 5_000;
const backoffFirstMs = 50;
const backoffMaxMs = 1_000;

export class SteadfastPlayer {
  readonly ledger: LedgerEntry[] = [];
  readonly judge: SubscriptionJudge;
  readonly socketFaults: string[] = [];
  readonly closes: number[] = [];
  readonly errs: string[] = [];
  reconnects = 0;
  readonly #open = new Map<number, Open>();
  #socket: BareSocket | undefined;
  #seq = 0;
  #attempt = 0;
  #retryMs: number | undefined;
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(private readonly options: SteadfastOptions) {
    this.judge = new SubscriptionJudge(options.mode ?? 'all');
    this.#running = this.#run();
  }

  get inFlight(): number {
    return this.#open.size;
  }

  /** Whether the next seq still lies within the window of the lowest unanswered one. */
  get hasRoom(): boolean {
    let lowest = this.#seq + 1;
    for (const seq of this.#open.keys()) lowest = Math.min(lowest, seq);
    return this.#open.size < (this.options.inFlightMax ?? seqWindow) && this.#seq + 1 < lowest + seqWindow;
  }

  live(ms = 20_000): Promise<unknown> {
    return until(`${this.options.player} to be live (${this.errs.slice(-2).join('; ')})`, ms, () => this.judge.isLive);
  }

  /** Resolves with the final reply, however many sendings it takes. */
  act(action: Action): Promise<Ack | Nack> {
    const seq = ++this.#seq;
    return new Promise((done) => {
      const entry: LedgerEntry = { player: this.options.player, seq, action, replies: [] };
      this.ledger.push(entry);
      const open: Open = { entry, since: performance.now(), done, cancelResend: () => undefined };
      this.#open.set(seq, open);
      this.#send(open);
    });
  }

  #send(open: Open): void {
    open.cancelResend();
    if (this.#socket?.ready === undefined) return; // Sent once a connection stands.
    this.#socket.send({ t: 'act', hunt: this.options.hunt, seq: open.entry.seq, action: open.entry.action });
    open.cancelResend = systemTimers.after(resendAfterMs, () => this.#send(open));
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const urls = this.options.urls();
      const url = urls[(this.#attempt + this.reconnects) % urls.length] as string;
      let socket: BareSocket;
      try {
        socket = await BareSocket.open(url, {
          codec: this.options.codec ?? 'json',
          token: this.options.token,
          keep: false,
          onMessage: (message) => this.#hear(message),
        });
      } catch (error) {
        this.errs.push((error as Error).message);
        await delay(systemRandom.next() * Math.min(backoffMaxMs, backoffFirstMs * 2 ** this.#attempt++));
        continue;
      }
      this.#attempt = 0;
      this.#socket = socket;
      this.#subscribe(socket);
      for (const open of [...this.#open.values()].sort((a, b) => a.entry.seq - b.entry.seq)) this.#send(open);
      const closed = await socket.whenClosed(24 * 3_600_000).catch(() => ({ code: 1006, reason: '' }));
      this.#socket = undefined;
      this.judge.ended();
      this.socketFaults.push(...socket.faults);
      if (this.#stopped) return;
      this.closes.push(closed.code);
      this.reconnects++;
      await delay((this.#retryMs ?? backoffFirstMs) * systemRandom.next());
      this.#retryMs = undefined;
    }
  }

  #subscribe(socket: BareSocket): void {
    const { cursor, lineage } = this.judge;
    this.judge.subscribed(cursor);
    const resume = cursor === undefined ? {} : { from: cursor, ...(lineage === undefined ? {} : { lineage }) };
    socket.send({ t: 'sub', hunt: this.options.hunt, mode: this.options.mode ?? 'all', ...resume });
  }

  #hear(message: ServerMessage): void {
    if ('hunt' in message && message.hunt === this.options.hunt) this.judge.hear(message);
    if (message.t === 'ack' || message.t === 'nack') this.#reply(message);
    else if (message.t === 'err') {
      this.errs.push(`${message.code}: ${message.message}`);
      // A subscription that could not be made for now is asked for again; nothing else of ours can fail.
      if (message.re === 'sub' && this.#socket !== undefined) {
        const socket = this.#socket;
        systemTimers.after(message.retry_ms ?? backoffMaxMs, () => this.#subscribe(socket));
      }
    } else if (message.t === 'bye') this.#retryMs = message.retry_ms;
  }

  #reply(reply: Ack | Nack): void {
    const open = this.#open.get(reply.seq);
    const entry = open?.entry ?? this.ledger[reply.seq - 1];
    entry?.replies.push(noted(reply));
    if (open === undefined) return;
    if (reply.t === 'nack' && reply.retryable) {
      open.cancelResend();
      open.cancelResend = systemTimers.after(reply.retry_ms ?? backoffFirstMs, () => this.#send(open));
      return;
    }
    open.cancelResend();
    this.#open.delete(reply.seq);
    if (reply.t === 'ack') this.options.onAck?.(performance.now() - open.since, reply.seq);
    open.done(reply);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const open of this.#open.values()) open.cancelResend();
    this.#socket?.close();
    await this.#running;
  }
}
