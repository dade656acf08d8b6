/**
 * One hunt on one client, over as many connections as it takes.
 *
 * Owns: the cursor, the private view and the board that are held, and the player's unanswered commands.
 * Owns not: the connection (HuntClient attaches and detaches it).
 * Keeps I6: an `ev` is applied only when its `after` is the cursor; otherwise the session unsubscribes, waits until nothing
 * of the old subscription can follow, and resumes from the cursor. Keeps I4 through CommandWindow.
 */
import { Backoff } from './backoff.ts';
import { CommandWindow } from './command-window.ts';
import { Emitter } from './emitter.ts';
import { HuntError } from './hunt-error.ts';
import { mergePatch } from './merge-patch.ts';
import type {
  Ack,
  Action,
  Board,
  ClientMessage,
  Err,
  Ev,
  HuntEvent,
  HuntView,
  Live,
  Me,
  Mode,
  Nack,
  ServerMessage,
  Snap,
} from './messages.ts';

export interface SessionOptions {
  /** The widest audience to ask for; absent = the widest allowed. The server may grant less: see `session.mode`. */
  mode?: Mode;
  /** The version already held, from an earlier life of this client, and the lineage that came with it. */
  from?: number;
  lineage?: string;
}

export interface SessionEvents {
  /** One public event, each exactly once and in version order. */
  event: [event: HuntEvent];
  me: [me: Me | null, version: number];
  hunt: [hunt: HuntView];
  board: [board: Board];
  /** Everything up to `version` has been delivered; what follows is live. */
  live: [live: { version: number; mode: Mode; lineage: string; resumed: boolean }];
  /** What was held is void; a fresh snapshot follows at once. */
  reset: [reset: { reason: string; version: number }];
  /** The server broke I6 and the session resumes from its cursor. */
  fault: [fault: { what: string; cursor: number | undefined }];
  closed: [error: HuntError];
}

type State =
  | { at: 'away' }
  /** Everything of this hunt is dropped until the pong to this ping: it belongs to the subscription that we left. */
  | { at: 'skipping'; ping: number }
  | { at: 'pausing'; timer: ReturnType<typeof setTimeout> }
  | { at: 'catching-up'; resumed: boolean }
  | { at: 'live' }
  | { at: 'closed'; error: HuntError };

export interface Line {
  send(message: ClientMessage): boolean;
  /** A ping of our own and its number. */
  ping(): number;
}

const resyncBaseMs = 200;
const resyncCapMs = 10_000;

export class HuntSession extends Emitter<SessionEvents> {
  #state: State = { at: 'away' };
  #line: Line | undefined;
  #cursor: number | undefined;
  #lineage: string | undefined;
  /** Undefined from a resume until its `live`: only that tells what was granted this time. */
  #mode: Mode | undefined;
  /** Versions were left out while the mode was not known: right in `own`, a fault in `all`. */
  #leftOut = false;
  #me: Me | null | undefined;
  #hunt: HuntView | undefined;
  #board: Board | undefined;
  #resyncs: Backoff;
  #commands: CommandWindow;

  constructor(
    readonly id: number,
    readonly options: SessionOptions,
    random: () => number,
    readonly onClosed: () => void,
  ) {
    super();
    this.#cursor = options.from;
    this.#lineage = options.lineage;
    this.#resyncs = new Backoff(resyncBaseMs, resyncCapMs, random);
    this.#commands = new CommandWindow(
      random,
      (seq, action) => this.#line?.send({ t: 'act', seq, hunt: id, action }) ?? false,
    );
  }

  /** The version up to which everything of this audience has been delivered. */
  get cursor(): number | undefined {
    return this.#cursor;
  }
  get lineage(): string | undefined {
    return this.#lineage;
  }
  get mode(): Mode | undefined {
    return this.#mode;
  }
  /** The private view; null for a token that is no player's, undefined until the first one came. */
  get me(): Me | null | undefined {
    return this.#me;
  }
  /** The public view of the last snapshot, with status and closing time kept up to date. Undefined after a mere resume. */
  get hunt(): HuntView | undefined {
    return this.#hunt;
  }
  get board(): Board | undefined {
    return this.#board;
  }
  get unanswered(): number {
    return this.#commands.unanswered;
  }
  get isLive(): boolean {
    return this.#state.at === 'live';
  }

  /** Resolves at the first `live` (at once if live already); rejects if the session is closed before. */
  whenLive(): Promise<void> {
    if (this.#state.at === 'live') return Promise.resolve();
    if (this.#state.at === 'closed') return Promise.reject(this.#state.error);
    return new Promise((resolve, reject) => {
      const stop = [this.on('live', () => settle(resolve)), this.on('closed', (error) => settle(() => reject(error)))];
      const settle = (then: () => void): void => {
        for (const off of stop) off();
        then();
      };
    });
  }

  /**
   * Sends a command and resolves with its final answer, an ack or a nack that is not retryable, over however many
   * connections and tries that takes. Rejects only when the session is closed first (outcome unknown) or when too many wait.
   */
  act(action: Action): Promise<Ack | Nack> {
    if (this.#state.at === 'closed') return Promise.reject(this.#state.error);
    return this.#commands.act(action);
  }

  close(error = new HuntError('CLOSED', 'the session was closed')): void {
    if (this.#state.at === 'closed') return;
    this.#line?.send({ t: 'unsub', hunt: this.id });
    this.#end(error);
  }

  // The rest is for HuntClient.

  attach(line: Line): void {
    if (this.#state.at === 'closed') return;
    this.#line = line;
    this.#subscribe();
    this.#commands.resend();
  }
  detach(): void {
    if (this.#state.at === 'closed') return;
    if (this.#state.at === 'pausing') clearTimeout(this.#state.timer);
    this.#line = undefined;
    this.#state = { at: 'away' };
  }
  tick(): void {
    if (this.#line !== undefined) this.#commands.resendStale();
  }
  /** Ended from above: the client was closed for good. */
  end(error: HuntError): void {
    if (this.#state.at !== 'closed') this.#end(error);
  }

  pong(id: number | undefined): void {
    if (this.#state.at !== 'skipping' || this.#state.ping !== id) return;
    const wait = this.#resyncs.tries === 0 ? 0 : this.#resyncs.next();
    if (this.#resyncs.tries === 0) this.#resyncs.next();
    this.#pause(wait);
  }

  receive(message: ServerMessage): void {
    if (this.#state.at === 'closed') return;
    if (message.t === 'ack' || message.t === 'nack') this.#commands.reply(message);
    else if (message.t === 'err') this.#err(message);
    else if (this.#state.at === 'catching-up' || this.#state.at === 'live') this.#follow(message);
  }

  #follow(message: ServerMessage): void {
    switch (message.t) {
      case 'snap':
        this.#snap(message);
        break;
      case 'ev':
        this.#ev(message);
        break;
      case 'me':
        if (!message.full && this.#me === undefined) this.#fault('a patch of a private view that was never sent');
        else this.#setMe((message.full ? message.me : mergePatch(this.#me, message.me)) as Me | null, message.version);
        break;
      case 'live':
        this.#live(message);
        break;
      case 'board': {
        const me = message.me ?? this.#board?.me;
        this.#board = me === undefined ? message : { ...message, me };
        this.emit('board', this.#board);
        break;
      }
      case 'reset':
        this.#cursor = undefined;
        this.#state = { at: 'catching-up', resumed: false };
        this.emit('reset', { reason: message.reason, version: message.version });
        break;
      default: // A newer server's message.
    }
  }

  #snap(snap: Snap): void {
    this.#cursor = snap.version;
    this.#lineage = snap.lineage;
    this.#mode = snap.mode;
    this.#hunt = snap.state.hunt;
    this.emit('hunt', snap.state.hunt);
    this.#setMe(snap.state.me, snap.version);
  }

  #ev(ev: Ev): void {
    const fault = this.#faultOf(ev);
    if (fault !== undefined) {
      this.#fault(fault);
      return;
    }
    if (ev.upto - ev.after !== ev.events.length) this.#leftOut = true;
    this.#cursor = ev.upto;
    for (const event of ev.events) {
      this.#applyToHunt(event);
      this.emit('event', event);
    }
  }

  /** Why this frame proves that something is missing (I6), if it does. */
  #faultOf(ev: Ev): string | undefined {
    if (ev.after !== this.#cursor) return `ev after ${ev.after}`;
    let last = ev.after;
    for (const { version } of ev.events) {
      if (version <= last || version > ev.upto) return `event ${version} behind ${last} in (${ev.after}, ${ev.upto}]`;
      if (this.#mode === 'all' && version !== last + 1)
        return `event ${version} behind ${last} where all were promised`;
      last = version;
    }
    return this.#mode === 'all' && last !== ev.upto ? `events up to ${last} of all up to ${ev.upto}` : undefined;
  }

  #live(live: Live): void {
    const cursor = this.#cursor;
    if (cursor === undefined || live.version < cursor || (live.mode === 'all' && live.version !== cursor)) {
      this.#fault(`live (${live.mode}) at ${live.version}`);
      return;
    }
    if (this.#mode === undefined && live.mode === 'all' && this.#leftOut) {
      // What is missing cannot be told from here: everything anew.
      this.#cursor = undefined;
      this.#fault('a replay of all left events out');
      return;
    }
    this.#cursor = live.version;
    this.#lineage = live.lineage;
    this.#mode = live.mode;
    const resumed = this.#state.at === 'catching-up' && this.#state.resumed;
    this.#state = { at: 'live' };
    this.#resyncs.reset();
    this.emit('live', { version: live.version, mode: live.mode, lineage: live.lineage, resumed });
  }

  #setMe(me: Me | null, version: number): void {
    this.#me = me;
    // A token that is no player's has no seq; its commands go out all the same, and the server says why not.
    this.#commands.learn(me?.last_seq ?? 0);
    this.emit('me', me, version);
  }

  /** What events alone tell of the public view; the rest waits for the next snapshot. */
  #applyToHunt(event: HuntEvent): void {
    if (this.#hunt === undefined) return;
    const status = statusAfter[event.type];
    if (status !== undefined) this.#hunt = { ...this.#hunt, status };
    else if (event.type === 'HuntExtended' && event.closes_at !== undefined)
      this.#hunt = { ...this.#hunt, closes_at: event.closes_at };
    else return;
    this.emit('hunt', this.#hunt);
  }

  #subscribe(): void {
    const resumed = this.#cursor !== undefined;
    this.#state = { at: 'catching-up', resumed };
    this.#mode = undefined;
    this.#leftOut = false;
    this.#line?.send({
      t: 'sub',
      hunt: this.id,
      ...(this.options.mode ? { mode: this.options.mode } : {}),
      ...(this.#cursor !== undefined ? { from: this.#cursor } : {}),
      ...(this.#cursor !== undefined && this.#lineage ? { lineage: this.#lineage } : {}),
    });
  }

  #fault(what: string): void {
    this.emit('fault', { what, cursor: this.#cursor });
    this.#resync();
  }
  #resync(): void {
    if (this.#line === undefined) return;
    this.#line.send({ t: 'unsub', hunt: this.id });
    this.#state = { at: 'skipping', ping: this.#line.ping() };
  }
  #pause(ms: number): void {
    if (ms <= 0) this.#subscribe();
    else this.#state = { at: 'pausing', timer: setTimeout(() => this.#subscribe(), ms) };
  }

  #err(err: Err): void {
    if (err.re !== 'sub') return;
    if (err.code === 'ALREADY_DONE') this.#resync();
    else if (err.retry_ms !== undefined || retryableCodes.has(err.code))
      this.#pause(err.retry_ms ?? Math.max(resyncBaseMs, this.#resyncs.next()));
    else this.#end(new HuntError(err.code, err.message));
  }

  #end(error: HuntError): void {
    if (this.#state.at === 'pausing') clearTimeout(this.#state.timer);
    this.#state = { at: 'closed', error };
    this.#line = undefined;
    this.#commands.close(error);
    this.onClosed();
    this.emit('closed', error);
  }
}

const statusAfter: Readonly<Record<string, HuntView['status']>> = {
  HuntOpened: 'open',
  HuntPaused: 'paused',
  HuntResumed: 'open',
  HuntClosed: 'closed',
};
const retryableCodes = new Set(['RATE_LIMITED', 'BUSY', 'UNAVAILABLE', 'NOT_OWNER']);
