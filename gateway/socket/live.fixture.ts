/**
 * A gateway over a log in memory, for tests: real sockets on a real port, and a small hunt behind the ports that decides
 * one thing (every action is one event of its player).
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Unpackr } from 'msgpackr';
import WebSocket from 'ws';
import { parseAction } from '../../actors/hunt/action.ts';
import { SubmitReply, SubmitRequest } from '../../proto/generated/hunt/v1/ingest.ts';
import type { Position, StreamId, Version } from '../../proto/ids.ts';
import { systemClock } from '../../runtime/kernel/clock.ts';
import { systemRandom } from '../../runtime/kernel/random.ts';
import { systemTimers } from '../../runtime/kernel/timer.ts';
import type { LogRecord, ReadPage } from '../../runtime/log/event-log.ts';
import type { Feed, FeedListener, Subscription } from '../../runtime/log/feed.ts';
import { nackReply } from '../act/reply.ts';
import type { CallOutcome, Route } from '../act/route.ts';
import type { PublicEvent } from '../fan-out/event-reader.ts';
import type { Claims } from '../token/claims.ts';
import type { LiveConfig } from './live-config.ts';
import { LiveGateway } from './live-gateway.ts';
import type { LiveMetrics } from './live-metrics.ts';
import { packMsgpack } from './msgpack.ts';

const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number', mapsAsObjects: true });

export interface Told {
  readonly t: string;
  readonly [field: string]: unknown;
}

/** One hunt's log in memory: a record is a list of public events as JSON. */
export class TestHunts implements Feed, Route {
  readonly events = new Map<number, PublicEvent[]>();
  readonly #records = new Map<number, LogRecord[]>();
  readonly #listeners = new Map<number, Set<FeedListener>>();
  readonly calls: { method: string; body: unknown }[] = [];
  readonly owners = new Map<number, string>();
  feed: 'all' | 'own' = 'all';
  board: 'live' | 'closed' = 'live';
  lineage = 'L1';
  oldest = 1;
  reads = 0;
  /** Holds back what the feed would bring, as a feed that lost its connection does. */
  deaf = false;
  teams = new Map<string, string>();
  answer: ((request: SubmitRequest) => Uint8Array | undefined) | undefined;

  append(hunt: number, ...events: { player: string; type?: string; team?: string; extra?: object }[]): number {
    const all = this.events.get(hunt) ?? [];
    this.events.set(hunt, all);
    const version = all.length + 1;
    const made = events.map(({ player, type = 'TreasureClaimed', team, extra }, i): PublicEvent => {
      const body = {
        version: version + i,
        player,
        type,
        at: 1_700_000_000_000 + version + i,
        ...(team ? { team } : {}),
        ...extra,
      };
      return { version: version + i, player, type, ...(team ? { team } : {}), body };
    });
    all.push(...made);
    const record: LogRecord = {
      stream: { kind: 'hunt', id: hunt },
      version: version as Version,
      count: made.length,
      epoch: 1,
      position: version as Position,
      bytes: Buffer.from(JSON.stringify(made)),
    };
    const records = this.#records.get(hunt) ?? [];
    this.#records.set(hunt, records);
    records.push(record);
    if (!this.deaf) for (const listener of this.#listeners.get(hunt) ?? []) listener.record(record);
    return all.length;
  }

  head(stream: StreamId): Promise<Version> {
    return Promise.resolve((this.events.get(stream.id)?.length ?? 0) as Version);
  }

  read(stream: StreamId, from: Version, bytesMax = 16 * 1024): Promise<ReadPage> {
    this.reads++;
    const records: LogRecord[] = [];
    let bytes = 0;
    let next: Version | undefined;
    for (const record of this.#records.get(stream.id) ?? []) {
      if (record.version + record.count <= Math.max(from, this.oldest)) continue;
      if (bytes >= bytesMax) {
        next = record.version;
        break;
      }
      bytes += record.bytes.byteLength;
      records.push(record);
    }
    return Promise.resolve({
      records,
      next,
      head: (this.events.get(stream.id)?.length ?? 0) as Version,
      oldest: this.oldest as Version,
    });
  }

  async subscribe(stream: StreamId, listener: FeedListener): Promise<Subscription> {
    const all = this.#listeners.get(stream.id) ?? new Set();
    this.#listeners.set(stream.id, all);
    all.add(listener);
    return { head: await this.head(stream), close: () => all.delete(listener) };
  }

  reconnectFeed(hunt: number): void {
    this.deaf = false;
    for (const listener of this.#listeners.get(hunt) ?? [])
      listener.head((this.events.get(hunt)?.length ?? 0) as Version);
  }

  submit(huntId: number, playerId: string, seq: number, bytes: Uint8Array, done: (reply: Uint8Array) => void): void {
    const request = SubmitRequest.decode(bytes);
    const special = this.answer?.(request);
    if (special !== undefined) {
      done(special);
      return;
    }
    if (!this.events.has(huntId)) {
      done(nackReply({ huntId, playerId, seq }, 'HUNT_NOT_FOUND', 'There is no such hunt.'));
      return;
    }
    const version = this.append(huntId, { player: playerId, extra: { seq } });
    const result = {
      points: 1,
      total: version,
      stage: '',
      treasure: 'coin',
      clue: '',
      team: '',
      name: '',
      bonus: 0,
      first: false,
      text: '',
      rejoined: false,
      finishedAt: 0,
      opened: [],
    };
    done(
      SubmitReply.encode({
        huntId,
        playerId,
        seq,
        outcome: { $case: 'ack', value: { version, events: 1, duplicate: false, result } },
      }).finish(),
    );
  }

  call(stream: StreamId, method: string, body: unknown): Promise<CallOutcome> {
    this.calls.push({ method, body });
    const all = this.events.get(stream.id);
    if (all === undefined)
      return Promise.resolve({ ok: false, code: 'HUNT_NOT_FOUND', message: 'There is no such hunt.' });
    const version = all.length;
    const { players = [], hunt = false } = body as { players?: string[]; hunt?: boolean };
    const me = (player: string): object => ({
      player,
      status: 'joined',
      total: all.filter((event) => event.player === player).length,
      last_seq: 0,
      stages: {},
      treasures: {},
    });
    const answers: Record<string, object> = {
      access: { version, owner: this.owners.get(stream.id) ?? 'dora' },
      views: {
        version,
        lineage: this.lineage,
        feed: this.feed,
        entry: 'solo',
        ...(hunt ? { hunt: { hunt_id: stream.id, title: 'T', status: 'open', feed: this.feed, top: [] } } : {}),
        players: Object.fromEntries(
          players.map((player) => [
            player,
            { me: me(player), ...(this.teams.has(player) ? { team: this.teams.get(player) } : {}) },
          ]),
        ),
      },
      board: {
        version,
        show: this.board,
        status: 'open',
        top: [{ rank: 1, player: 'ann', name: 'Ann', points: version }],
        entrants: 1,
        me: Object.fromEntries(
          players.map((player) => [player, { rank: 1, points: all.filter((event) => event.player === player).length }]),
        ),
      },
    };
    return new Promise((resolve) =>
      setImmediate(() => resolve({ ok: true, version, body: structuredClone(answers[method]) })),
    );
  }
}

export class TestGateway {
  readonly hunts = new TestHunts();
  readonly counted = new Map<string, number>();
  readonly gauges = new Map<string, number>();
  readonly reported: unknown[] = [];
  readonly gateway: LiveGateway;
  readonly #server: Server;
  readonly #clients: TestClient[] = [];
  url = '';

  private constructor(config: Partial<LiveConfig>, clock = systemClock) {
    const metrics: LiveMetrics = {
      count: (name, by, label) => {
        const key = label === undefined ? name : `${name}:${label}`;
        this.counted.set(key, (this.counted.get(key) ?? 0) + by);
      },
      gauge: (name, value) => this.gauges.set(name, value),
      observe: () => {},
    };
    this.gateway = new LiveGateway({
      route: this.hunts,
      log: this.hunts,
      feed: this.hunts,
      reader: { decode: (record) => JSON.parse(Buffer.from(record.bytes).toString()) as PublicEvent[] },
      verifyToken: async (token) => claimsIn(token),
      parseAction,
      clock,
      timers: systemTimers,
      random: systemRandom,
      config,
      metrics,
      report: (_session, error) => this.reported.push(error),
    });
    this.#server = createServer();
    this.#server.on('upgrade', (req, socket, head) => this.gateway.handleUpgrade(req, socket, head));
  }

  static async start(config: Partial<LiveConfig> = {}, clock = systemClock): Promise<TestGateway> {
    const made = new TestGateway(config, clock);
    made.#server.listen(0, '127.0.0.1');
    await once(made.#server, 'listening');
    made.url = `ws://127.0.0.1:${(made.#server.address() as AddressInfo).port}/v1/socket`;
    return made;
  }

  async client(
    claims?: Partial<Claims>,
    codec: 'json' | 'msgpack' = 'json',
    headers: Record<string, string> = {},
  ): Promise<TestClient> {
    const client = new TestClient(new WebSocket(this.url, [`hunt.v1.${codec}`], { headers }), codec);
    this.#clients.push(client);
    await once(client.ws, 'open');
    if (claims !== undefined) {
      client.send({ t: 'auth', token: tokenOf(claims) });
      await client.take('ready');
    }
    return client;
  }

  /** The status of a refused upgrade. */
  refusal(
    protocols: string[],
    headers: Record<string, string> = {},
  ): Promise<{ status: number; headers: Record<string, unknown> }> {
    const ws = new WebSocket(this.url, protocols, { headers });
    return new Promise((resolve, reject) => {
      ws.on('error', () => {});
      ws.on('open', () => {
        ws.terminate();
        reject(new Error('the upgrade was accepted'));
      });
      ws.on('unexpected-response', (_req, res) => {
        res.resume();
        resolve({ status: res.statusCode ?? 0, headers: res.headers });
        ws.terminate();
      });
    });
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.ws.terminate();
    this.gateway.close();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export const tokenOf = (claims: Partial<Claims>): string =>
  Buffer.from(JSON.stringify({ role: 'player', hunt: '*', exp: Date.now() + 3_600_000, ...claims })).toString(
    'base64url',
  );

function claimsIn(token: string): Claims | undefined {
  try {
    const claims = JSON.parse(Buffer.from(token, 'base64url').toString()) as Claims;
    return typeof claims.sub === 'string' ? claims : undefined;
  } catch {
    return undefined;
  }
}

export class TestClient {
  readonly inbox: Told[] = [];
  closed: number | undefined;
  #wake: (() => void)[] = [];

  constructor(
    readonly ws: WebSocket,
    readonly codec: 'json' | 'msgpack',
  ) {
    ws.on('message', (data: Buffer, binary: boolean) => {
      if (binary !== (codec === 'msgpack')) throw new Error('a frame of the wrong kind');
      this.inbox.push((binary ? unpackr.unpack(data) : JSON.parse(data.toString())) as Told);
      this.#woken();
    });
    ws.on('close', (code) => {
      this.closed = code;
      this.#woken();
    });
    ws.on('error', () => {});
  }

  send(message: object): void {
    this.ws.send(this.codec === 'json' ? JSON.stringify(message) : packMsgpack(message));
  }

  all(t: string): Told[] {
    return this.inbox.filter((told) => told.t === t);
  }

  /** The versions of all events so far; throws where the frames leave a hole or overlap (I6). */
  versions(from?: number): number[] {
    const out: number[] = [];
    let cursor = from;
    for (const told of this.inbox) {
      if (told.t === 'snap') cursor = told.version as number;
      if (told.t === 'live' && told.mode === 'own') cursor = told.version as number;
      if (told.t !== 'ev') continue;
      if (cursor !== undefined && told.after !== cursor)
        throw new Error(`the cursor is ${cursor}, a frame comes after ${String(told.after)}`);
      cursor = told.upto as number;
      for (const event of told.events as { version: number }[]) out.push(event.version);
    }
    return out;
  }

  async until(what: string, met: () => boolean, ms = 3_000): Promise<void> {
    const deadline = Date.now() + ms;
    while (!met()) {
      if (Date.now() > deadline)
        throw new Error(`waited ${ms} ms for ${what}; got ${JSON.stringify(this.inbox.slice(-5)).slice(0, 600)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 20);
        this.#wake.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  async take(t: string, where: (told: Told) => boolean = () => true): Promise<Told> {
    const find = (): Told | undefined => this.inbox.find((told) => told.t === t && where(told));
    await this.until(`a ${t}`, () => find() !== undefined);
    return find() as Told;
  }

  async whenClosed(ms = 3_000): Promise<number> {
    await this.until('the close', () => this.closed !== undefined, ms);
    return this.closed as number;
  }

  #woken(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const one of wake) one();
  }
}
