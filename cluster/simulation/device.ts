/**
 * One device of a client: keeps a line to some gateway, subscribes to one hunt, resumes from its cursor after every break,
 * and judges what it is sent (I6). Owns the line and the subscription; whose commands it sends is its owner's affair.
 */
import { SubscriptionJudge } from '../host/black-box/judge/subscription.ts';
import type { Mode, ServerMessage } from '../host/black-box/wire.ts';
import type { Footing } from './footing.ts';
import type { History } from './history.ts';
import { Line } from './line.ts';
import type { Seeded } from './seeded.ts';

export interface DeviceParts {
  readonly footing: Footing;
  readonly history: History;
  readonly chance: Seeded;
  readonly gateways: readonly string[];
  readonly hunt: number;
  readonly name: string;
  readonly role: 'player' | 'designer';
  readonly mode: Mode;
  readonly tag: string;
  readonly ready: (device: Device) => void;
  readonly heard: (message: ServerMessage) => void;
  readonly lost: () => void;
}

const backoffMs = { first: 60, most: 1_000 } as const;
const pingMs = 1_000;
/** Nothing heard for so long although asked: the line is dead, whatever TCP believes. */
const silentMs = 3_500;

export class Device {
  readonly judge: SubscriptionJudge;
  reconnects = 0;
  readonly #modes = new Set<Mode>();
  #line: Line | undefined;
  #state: 'down' | 'opening' | 'ready' = 'down';
  #tries = 0;
  #heardAt = 0;
  #retryMs: number | undefined;
  #snapAskedAt = 0;
  #isStopped = false;

  constructor(readonly parts: DeviceParts) {
    this.judge = new SubscriptionJudge(parts.mode);
    const player = parts.role === 'player' ? parts.name : undefined;
    const { hunt, tag } = parts;
    parts.history.followed.push({ hunt, tag, player, judge: this.judge, modes: this.#modes });
    parts.footing.timers.every(pingMs, () => this.#tick());
    this.#connect();
  }

  get tag(): string {
    return this.parts.tag;
  }
  get isReady(): boolean {
    return this.#state === 'ready';
  }

  send(message: object): void {
    this.#line?.send(message);
  }

  /** Leaves for another gateway, as a phone that changes networks does. */
  hop(): void {
    this.#line?.end('hopped');
  }

  stop(): void {
    this.#isStopped = true;
    this.#line?.end('stopped');
  }

  #connect(): void {
    if (this.#isStopped) return;
    const { footing, chance, gateways, role, name, hunt, history, tag } = this.parts;
    const gateway = chance.pick(gateways);
    const socket = footing.connect(gateway);
    this.#state = 'opening';
    this.#heardAt = footing.now();
    const line = new Line(socket, {
      opened: () =>
        line.send({
          t: 'auth',
          token: footing.token({
            sub: name,
            role,
            exp: Number.MAX_SAFE_INTEGER,
            ...(role === 'player' ? { hunt } : {}),
          }),
        }),
      heard: (message) => this.#heard(message),
      closed: (why) => {
        if (this.#line !== line) return;
        this.#line = undefined;
        const was = this.#state;
        this.#state = 'down';
        this.judge.ended();
        if (was === 'ready') history.note(tag, `the line to ${gateway} is ${why}`);
        this.parts.lost();
        this.reconnects++;
        const most = Math.min(backoffMs.most, backoffMs.first * 2 ** Math.min(this.#tries++, 6));
        const wait = (this.#retryMs ?? most) * (0.5 + chance.next());
        this.#retryMs = undefined;
        footing.timers.after(wait, () => this.#connect());
      },
    });
    this.#line = line;
  }

  #tick(): void {
    const line = this.#line;
    if (line === undefined) return;
    const silent = (this.parts.footing.now() - this.#heardAt) / 1_000;
    if (silent > silentMs) line.end('silent');
    else if (this.isReady) line.send({ t: 'ping' });
  }

  #heard(message: ServerMessage): void {
    const { history, tag, hunt } = this.parts;
    this.#heardAt = this.parts.footing.now();
    if (message.t !== 'pong') history.note(tag, `< ${shown(message)}`);
    switch (message.t) {
      case 'ready':
        this.#tries = 0;
        this.#state = 'ready';
        this.#subscribe();
        this.parts.ready(this);
        return;
      case 'bye':
        this.#retryMs = message.retry_ms;
        return;
      case 'err':
        if (message.re === 'sub')
          this.parts.footing.timers.after(message.retry_ms ?? 500, () => {
            if (this.isReady && !this.judge.isLive) this.#subscribe();
          });
        return;
      default:
        if ('hunt' in message && message.hunt === hunt) this.#hunt(message);
    }
  }

  #hunt(message: ServerMessage): void {
    this.judge.hear(message);
    if (message.t === 'snap' || message.t === 'live') this.#modes.add(message.mode);
    this.#note(message);
    if (message.t === 'snap') {
      const { history, hunt, role, name } = this.parts;
      history.seen.push({
        hunt,
        what: 'snap',
        player: role === 'player' ? name : undefined,
        beganAt: this.#snapAskedAt,
        endedAt: this.parts.footing.now(),
        version: message.version,
        body: message.state,
      });
    }
    this.parts.heard(message);
  }

  #note(message: ServerMessage): void {
    const version = message.t === 'ev' ? message.upto : 'version' in message ? message.version : undefined;
    const { history, hunt, footing } = this.parts;
    if (version !== undefined) history.shown.push({ hunt, at: footing.now(), version });
  }

  #subscribe(): void {
    const { cursor, lineage } = this.judge;
    const { hunt, mode, history, tag } = this.parts;
    this.judge.subscribed(cursor);
    this.#snapAskedAt = this.parts.footing.now();
    const resume = cursor === undefined ? {} : { from: cursor, ...(lineage === undefined ? {} : { lineage }) };
    history.note(tag, `> sub from ${cursor ?? 'the present'}`);
    this.send({ t: 'sub', hunt, mode, ...resume });
  }
}

function shown(message: ServerMessage): string {
  switch (message.t) {
    case 'ack':
      return `ack ${message.seq} at ${message.version} (${message.events})${message.duplicate ? ' again' : ''}`;
    case 'nack':
      return `nack ${message.seq} ${message.code}${message.version === undefined ? '' : ` at ${message.version}`}`;
    case 'ev':
      return `ev (${message.after}, ${message.upto}] ${message.events.map((event) => event.type).join(' ')}`;
    case 'snap':
    case 'live':
    case 'reset':
    case 'board':
    case 'me':
      return `${message.t} ${message.version}`;
    case 'err':
      return `err ${message.code} ${message.message}`;
    default:
      return message.t;
  }
}
