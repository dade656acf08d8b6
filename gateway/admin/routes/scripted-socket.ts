/** For the pages' test: one hunt behind `/v1/socket`, which answers as the contract says and knows three stages. */
import type { Server } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Tokens } from '../../token/tokens.ts';

export const scriptedHuntView = (hunt: number) => ({
  hunt_id: hunt,
  title: 'Old Town Mystery',
  description: 'Find what the fishermen hid.',
  status: 'open',
  timezone: 'UTC',
  entry: 'solo',
  order: 'graph',
  feed: 'all',
  definition_version: 1,
  players: 2,
  entrants: 2,
  stages: [
    { id: 'gate', title: 'The Gate', points: 100 },
    { id: 'fountain', title: 'The Fountain', points: 200 },
    { id: 'vault' },
  ],
  top: [{ rank: 1, player: 'ben', name: 'Ben', points: 250 }],
});

const stages = {
  gate: { state: 'done', title: 'The Gate', points: 100, after: 'Look to the river.' },
  fountain: {
    state: 'open',
    title: 'The Fountain',
    points: 200,
    attempts_left: 3,
    pin: { lat: 52.516, lon: 13.377, radius_m: 30 },
    clues: { god: { text: 'Whose trident is it?', hints: ['Not the Greek name'], hints_left: 1, next_hint_cost: 40 } },
  },
  vault: { state: 'locked' },
};

export class ScriptedSocket {
  readonly #hunt: number;
  readonly #tokens: Tokens;
  readonly #sockets = new Set<WebSocket>();
  /** `from` of every subscription so far. */
  readonly resumedFrom: (number | undefined)[] = [];
  #version = 12;

  constructor(server: Server, hunt: number, tokens: Tokens) {
    this.#hunt = hunt;
    this.#tokens = tokens;
    const sockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => [...offered][0] as string });
    server.on('upgrade', (request, socket, head) =>
      sockets.handleUpgrade(request, socket, head, (accepted) => this.#serve(accepted)),
    );
  }

  drop(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  #serve(socket: WebSocket): void {
    const hunt = this.#hunt;
    const send = (message: object) => socket.send(JSON.stringify(message));
    let me: Record<string, unknown> | null = null;
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as {
        t: string;
        token: string;
        id: number;
        from?: number;
        seq: number;
        action: { type: string; text?: string };
      };
      switch (message.t) {
        case 'auth':
          void this.#tokens.verifyToken(message.token).then((claims) => {
            const { sub = '', role = '' } = claims ?? {};
            me =
              role === 'player'
                ? { player: sub, status: 'none', total: 0, last_seq: 0, stages: {}, treasures: {} }
                : null;
            send({
              t: 'ready',
              player: sub,
              session: 's',
              heartbeat_s: 20,
              role,
              now: Date.now(),
              limits: { message_bytes: 16_384, in_flight: 16, acts_per_s: 10 },
            });
          });
          break;
        case 'ping':
          send({ t: 'pong', now: Date.now(), id: message.id });
          break;
        case 'sub':
          this.resumedFrom.push(message.from);
          if (message.from === undefined)
            send({
              t: 'snap',
              hunt,
              version: this.#version,
              mode: 'all',
              lineage: 'l',
              state: { hunt: scriptedHuntView(hunt), me },
            });
          else {
            const events = [];
            for (let version = message.from + 1; version <= this.#version; version++)
              events.push({
                version,
                player: 'ben',
                type: 'StageCompleted',
                at: Date.now(),
                stage: 'gate',
                points: 100,
              });
            if (events.length > 0) send({ t: 'ev', hunt, after: message.from, upto: this.#version, events });
            send({ t: 'me', hunt, version: this.#version, full: true, me });
          }
          send({ t: 'live', hunt, version: this.#version, mode: 'all', lineage: 'l' });
          send({ t: 'board', hunt, version: this.#version, top: scriptedHuntView(hunt).top, entrants: 2 });
          break;
        case 'act': {
          const { seq, action } = message;
          this.#version++;
          const events = [
            {
              version: this.#version,
              player: String(me?.player),
              type: 'StageCompleted',
              at: Date.now(),
              stage: 'gate',
            },
          ];
          for (const other of this.#sockets)
            other.send(JSON.stringify({ t: 'ev', hunt, after: this.#version - 1, upto: this.#version, events }));
          if (action.type === 'answer') {
            send({
              t: 'nack',
              seq,
              hunt,
              code: 'WRONG_ANSWER',
              message: 'That is not the answer.',
              retryable: false,
              version: this.#version,
              detail: { attempts_left: 2 },
            });
            break;
          }
          send({ t: 'ack', seq, hunt, version: this.#version, events: 1, result: { points: 0, total: 100 } });
          me = {
            ...me,
            status: 'joined',
            name: 'Anna',
            total: 100,
            rank: 2,
            last_seq: seq,
            stages,
            treasures: { coin: { title: 'Stray Coin', points: 5, mine: 0 } },
          };
          send({ t: 'me', hunt, version: this.#version, full: true, me });
        }
      }
    });
  }
}
