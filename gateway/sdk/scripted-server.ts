/** A gateway that does what a test tells it: real sockets, no engine behind them. For tests of the SDK only. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { jsonCodec } from './codec.ts';
import type { SocketLike } from './hunt-client.ts';
import type { ClientMessage, HuntEvent, Me, ServerMessage } from './messages.ts';
import { msgpackCodec } from './msgpack-codec.ts';

export const testHunt = 257;
export const connectWs = (url: string, protocol: string): SocketLike =>
  new WebSocket(url, protocol, { perMessageDeflate: false }) as unknown as SocketLike;

export class Peer {
  readonly received: ClientMessage[] = [];
  closed: number | undefined;
  constructor(
    readonly socket: WebSocket,
    readonly number: number,
  ) {}
  send(...messages: ServerMessage[]): void {
    const msgpack = this.socket.protocol === msgpackCodec.protocol;
    for (const message of messages)
      this.socket.send(msgpack ? msgpackCodec.encode(message as never) : JSON.stringify(message));
  }
  of<T extends ClientMessage['t']>(t: T): Extract<ClientMessage, { t: T }>[] {
    return this.received.filter((message): message is Extract<ClientMessage, { t: T }> => message.t === t);
  }
}

export class ScriptedServer {
  readonly peers: Peer[] = [];
  /** Called for every message but `auth` and `ping`, which are answered here unless `silent`. */
  script: (peer: Peer, message: ClientMessage) => void = () => undefined;
  silent: (peer: Peer) => boolean = () => false;
  heartbeatS = 20;
  refuseToken: (token: string) => number | undefined = () => undefined;
  #server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: (offered) => [...offered][0] ?? false });

  constructor() {
    this.#server.on('connection', (socket) => {
      const peer = new Peer(socket, this.peers.length);
      this.peers.push(peer);
      socket.on('close', (code) => {
        peer.closed = code;
      });
      socket.on('message', (data, binary) => {
        const message = (
          binary ? msgpackCodec.decode(data as Buffer) : jsonCodec.decode(String(data))
        ) as ClientMessage;
        peer.received.push(message);
        this.#answer(peer, message);
      });
    });
  }
  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1/socket`;
  }
  async listening(): Promise<this> {
    if (this.#server.address() === null) await once(this.#server, 'listening');
    return this;
  }
  async close(): Promise<void> {
    for (const socket of this.#server.clients) socket.terminate();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(peer: Peer, message: ClientMessage): void {
    if (this.silent(peer)) return;
    if (message.t === 'auth') {
      const refused = this.refuseToken(message.token);
      if (refused !== undefined) peer.socket.close(refused);
      else
        peer.send({
          t: 'ready',
          player: 'ada',
          session: `s${peer.number}`,
          heartbeat_s: this.heartbeatS,
          role: 'player',
          now: Date.now(),
          limits: { message_bytes: 16384, in_flight: 16, acts_per_s: 10 },
        });
    } else if (message.t === 'ping')
      peer.send({ t: 'pong', now: Date.now(), ...(message.id === undefined ? {} : { id: message.id }) });
    else this.script(peer, message);
  }
}

export const me = (fields: Partial<Me> = {}): Me => ({
  player: 'ada',
  status: 'joined',
  total: 0,
  last_seq: 0,
  stages: {},
  treasures: {},
  ...fields,
});
export const snap = (version: number, fields: Partial<Me> = {}): ServerMessage => ({
  t: 'snap',
  hunt: testHunt,
  version,
  mode: 'all',
  lineage: 'L1',
  state: {
    hunt: {
      hunt_id: testHunt,
      title: 'Test',
      status: 'open',
      timezone: 'UTC',
      entry: 'solo',
      order: 'any',
      feed: 'all',
      definition_version: 1,
      players: 1,
      entrants: 1,
      stages: [],
      top: [],
    },
    me: me(fields),
  },
});
export const live = (version: number): ServerMessage => ({
  t: 'live',
  hunt: testHunt,
  version,
  mode: 'all',
  lineage: 'L1',
});
export const event = (version: number, fields: Partial<HuntEvent> = {}): HuntEvent => ({
  version,
  player: 'ada',
  type: 'HintTaken',
  at: 1,
  ...fields,
});
export const ev = (after: number, ...versions: number[]): ServerMessage => ({
  t: 'ev',
  hunt: testHunt,
  after,
  upto: versions.at(-1) ?? after,
  events: versions.map((version) => event(version)),
});
export const ack = (seq: number, version: number): ServerMessage => ({
  t: 'ack',
  seq,
  hunt: testHunt,
  version,
  events: 1,
  result: { points: 0, total: 0 },
});

/** Waits for a condition with a deadline that says what it waited for. */
export async function until(condition: () => boolean, what: string, ms = 5_000): Promise<void> {
  const end = Date.now() + ms;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
