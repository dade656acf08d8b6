/**
 * The gateway's live path in one object: upgrades in, sessions, fan-out. Owns the sessions and the sweep that ends those
 * that are late, idle, expired or slow. The HTTP server hands it `upgrade` requests for /v1/socket.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import type { Clock } from '../../runtime/kernel/clock.ts';
import type { Random } from '../../runtime/kernel/random.ts';
import type { Timers } from '../../runtime/kernel/timer.ts';
import type { EventLog } from '../../runtime/log/event-log.ts';
import type { Feed } from '../../runtime/log/feed.ts';
import type { Route } from '../act/route.ts';
import type { EventReader } from '../fan-out/event-reader.ts';
import { FanOut } from '../fan-out/fan-out.ts';
import { ReplayBlocks } from '../fan-out/replay-block.ts';
import { SendBudget } from '../fan-out/send-budget.ts';
import type { Claims } from '../token/claims.ts';
import { Admission, refuse, type Waiting } from './admission.ts';
import { Buckets } from './bucket.ts';
import { sendAway } from './departure.ts';
import { codecOf } from './frame.ts';
import type { ActionParser, GatewayCore, TokenVerifier } from './gateway-core.ts';
import { type LiveConfig, liveDefaults, messageBytesMax, socketsPerTokenMax } from './live-config.ts';
import { type LiveMetrics, noLiveMetrics } from './live-metrics.ts';
import { Session } from './session.ts';

const sweepMs = 1_000;
/** After a close or a drain clients come back spread over this time. */
const returnMsMax = 1_000;

export interface LiveGatewayParts {
  readonly route: Route;
  readonly log: Pick<EventLog, 'read' | 'head'>;
  readonly feed: Feed;
  readonly reader: EventReader;
  readonly verifyToken: TokenVerifier;
  readonly parseAction: ActionParser;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly config?: Partial<LiveConfig>;
  readonly metrics?: LiveMetrics;
  /** A fault of ours, under the session's id, which its client was told as `ready.session`. */
  readonly report?: (session: string, error: unknown) => void;
}

export class LiveGateway {
  readonly #sessions = new Set<Session>();
  readonly #byToken = new Map<string, Session[]>();
  readonly #keys = new Map<Session, string>();
  readonly #server: WebSocketServer;
  readonly #admission: Admission;
  readonly #core: GatewayCore;
  readonly #stopSweep: () => void;
  #lagging = 0;
  #closing = false;

  constructor(private readonly parts: LiveGatewayParts) {
    const { clock, timers, random } = parts;
    const config = { ...liveDefaults, ...parts.config };
    const metrics = parts.metrics ?? noLiveMetrics;
    const budget = new SendBudget(clock, timers);
    const blocks = new ReplayBlocks(parts.log, parts.reader);
    this.#core = {
      config,
      clock,
      random,
      metrics,
      route: parts.route,
      fanOut: new FanOut({ ...parts, metrics, budget, blocks, hotSubscribers: config.hotSubscribers }),
      players: new Buckets(config.playerRate),
      outboxCounts: {
        frames: (sent) => metrics.count('hunt_frames_sent_total', sent),
        lagging: (change) => {
          this.#lagging += change;
        },
      },
      verifyToken: parts.verifyToken,
      parseAction: parts.parseAction,
      known: (session, key) => this.#known(session, key),
      gone: (session) => this.#gone(session),
      report: (session, error) => parts.report?.(session, error),
      retryMs: () => Math.ceil(random.next() * returnMsMax),
    };
    this.#server = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: messageBytesMax,
      handleProtocols: (offered) => codecOf(offered)?.protocol ?? false,
    });
    this.#server.on('wsClientError', (error, socket) =>
      refuse(socket, { status: 400, code: 'INVALID', detail: `${error.message}: open a WebSocket as in RFC 6455.` }),
    );
    this.#admission = new Admission(
      config,
      clock,
      timers,
      random,
      (waiting, done) => void this.#shakeHands(waiting, done),
      () => this.onRoom?.(),
    );
    this.#stopSweep = timers.every(sweepMs, () => this.#sweep());
  }

  get sockets(): number {
    return this.#sessions.size;
  }

  /** Called when {@link hasRoom} may have become true. */
  onRoom: (() => void) | undefined;

  /** Whether a new connection's handshake could begin at once. */
  get hasRoom(): boolean {
    return this.#admission.hasRoom;
  }

  /** For acts that come by HTTP or gRPC: takes one out of the bucket of the player's sockets. 0, or in how many ms to come again. */
  admitAct(player: string): number {
    return this.#core.players.take(player, this.parts.clock.monotonic());
  }

  handleUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const refusal = this.#closing
      ? ({ status: 503, code: 'BUSY', detail: 'This gateway is closing: connect again.', retryAfterS: 1 } as const)
      : this.#admission.enter(req, socket, head, this.#sessions.size);
    if (refusal === undefined) return;
    this.#core.metrics.count('hunt_accepts_total', 1, `refused_${refusal.status}`);
    refuse(socket, refusal);
  }

  /**
   * Sends everybody away, a few at a time, with a jittered time to come back, at most `retryMs`; new upgrades are refused.
   * Resolves when everybody was told.
   */
  drain(retryMs: number): Promise<void> {
    this.#closing = true;
    this.#turnAway();
    return sendAway(this.#sessions, retryMs, this.parts);
  }

  /** Ends everything at once. */
  close(): void {
    this.#closing = true;
    this.#turnAway();
    this.#stopSweep();
    for (const session of [...this.#sessions]) session.terminate();
    this.#core.fanOut.close();
  }

  #turnAway(): void {
    for (const { socket } of this.#admission.clear())
      refuse(socket, { status: 503, code: 'BUSY', detail: 'This gateway is closing: connect again.', retryAfterS: 1 });
  }

  async #shakeHands(waiting: Waiting, done: () => void): Promise<void> {
    const { req, socket, head, codec } = waiting;
    const header = req.headers.authorization;
    let claims: Claims | undefined;
    if (header !== undefined) {
      const token = /^Bearer +(\S+)$/i.exec(header)?.[1];
      claims = token === undefined ? undefined : await this.parts.verifyToken(token);
      if (claims === undefined) {
        this.#core.metrics.count('hunt_accepts_total', 1, 'refused_401');
        refuse(socket, {
          status: 401,
          code: 'UNAUTHENTICATED',
          detail: 'The bearer token is not valid or has expired.',
        });
        done();
        return;
      }
    }
    if (socket.destroyed || this.#closing) {
      if (!socket.destroyed)
        refuse(socket, {
          status: 503,
          code: 'BUSY',
          detail: 'This gateway is closing: connect again.',
          retryAfterS: 1,
        });
      done();
      return;
    }
    socket.once('close', done);
    this.#server.handleUpgrade(req, socket, head, (ws) => {
      this.#core.metrics.count('hunt_accepts_total', 1, 'accepted');
      this.#handshakes.set(this.#accept(new Session(this.#core, ws, socket, codec, claims)), done);
      if (claims !== undefined) done();
    });
  }

  /** Ends the handshake's lease once the session has said who it is. */
  readonly #handshakes = new WeakMap<Session, () => void>();

  #accept(session: Session): Session {
    this.#sessions.add(session);
    return session;
  }

  #known(session: Session, key: string): void {
    this.#handshakes.get(session)?.();
    this.#keys.set(session, key);
    const same = this.#byToken.get(key);
    if (same === undefined) {
      this.#byToken.set(key, [session]);
      return;
    }
    same.push(session);
    if (same.length <= socketsPerTokenMax) return;
    // It leaves the list at once: its close frame may take long, and the next one must not close it again.
    const oldest = same.shift();
    oldest?.close('tooManySockets');
  }

  #gone(session: Session): void {
    this.#sessions.delete(session);
    this.#forgetKey(session);
  }

  #forgetKey(session: Session): void {
    const key = this.#keys.get(session);
    if (key === undefined) return;
    this.#keys.delete(session);
    const same = this.#byToken.get(key)?.filter((other) => other !== session) ?? [];
    if (same.length === 0) this.#byToken.delete(key);
    else this.#byToken.set(key, same);
  }

  /** All outboxes together have a bound too (I5): the fullest go first, and resume where there is room. Answers how much went. */
  #relieve(excess: number): number {
    if (excess <= 0) return 0;
    let relieved = 0;
    for (const session of [...this.#sessions].sort((a, b) => b.bytes - a.bytes)) {
      if (relieved >= excess) break;
      relieved += session.bytes;
      session.close('overloaded');
    }
    return relieved;
  }

  #sweep(): void {
    const now = this.parts.clock.monotonic();
    const wall = this.parts.clock.now();
    let bytes = 0;
    for (const session of this.#sessions) {
      session.tick(now, wall);
      bytes += session.bytes;
    }
    bytes -= this.#relieve(bytes - this.#core.config.outboxBytesTotalMax);
    const metrics = this.#core.metrics;
    metrics.gauge('hunt_sockets', this.#sessions.size);
    metrics.gauge('hunt_sockets_lagging', this.#lagging);
    metrics.gauge('hunt_outbox_bytes', bytes);
  }
}
