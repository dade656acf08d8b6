/**
 * Connections before anything of them is read. Owns: the list of those that wait, paused, and the pace at which they are let
 * in: two a turn of the loop, and none while as many handshakes are under way as may be. Does not own: who may stay, and
 * when there is room again (admission, which says so by {@link WaitingRoom.look}). A crowd that comes back costs those who stayed no more than its pace; accepting alone costs little.
 * I5: the list has a bound; whoever comes beyond it is told so in one write, without being read.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Timers } from '../../runtime/kernel/timer.ts';

export const lettingInPerTurn = 2;
export const waitingConnectionsMax = 16_384;

const full = Buffer.from(
  'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n',
);

export interface WaitingRoomParts {
  readonly timers: Timers;
  /** Whether more may be let in at present. */
  readonly hasRoom: () => boolean;
}

export class WaitingRoom {
  #waiting: Socket[] = [];
  #isTurnComing = false;

  private constructor(
    private readonly parts: WaitingRoomParts,
    private readonly letIn: (socket: Socket) => void,
  ) {}

  /** Puts the room before the server's own handling of connections. Call before it listens. */
  static before(server: Server, parts: WaitingRoomParts): WaitingRoom {
    const handlers = server.listeners('connection') as ((socket: Socket) => void)[];
    server.removeAllListeners('connection');
    // An option of net.Server that the constructors of HTTP servers do not pass on: nothing is read before we say so.
    (server as Server & { pauseOnConnect: boolean }).pauseOnConnect = true;
    const room = new WaitingRoom(parts, (socket) => {
      for (const handle of handlers) handle.call(server, socket);
      socket.resume();
    });
    server.on('connection', (socket: Socket) => room.enter(socket));
    return room;
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** There may be room again. */
  readonly look = (): void => {
    if (this.#waiting.length > 0) this.#schedule();
  };

  enter(socket: Socket): void {
    if (this.#waiting.length === 0 && !this.#isTurnComing && this.parts.hasRoom()) {
      // Nobody waits: no turn is lost. The next one in this turn of the loop waits for the next.
      this.letIn(socket);
      this.#schedule();
      return;
    }
    socket.on('error', ignore);
    if (this.#waiting.length >= waitingConnectionsMax) {
      socket.end(full, () => socket.destroy());
      return;
    }
    this.#waiting.push(socket);
    if (this.parts.hasRoom()) this.#schedule();
  }

  #schedule(): void {
    if (this.#isTurnComing) return;
    this.#isTurnComing = true;
    this.parts.timers.soon(this.#turn);
  }

  readonly #turn = (): void => {
    this.#isTurnComing = false;
    let taken = 0;
    for (let count = 0; count < lettingInPerTurn && taken < this.#waiting.length && this.parts.hasRoom(); taken++) {
      const socket = this.#waiting[taken] as Socket;
      if (socket.destroyed) continue;
      socket.off('error', ignore);
      this.letIn(socket);
      count++;
    }
    if (taken > 0) this.#waiting.splice(0, taken);
    if (this.parts.hasRoom()) this.look();
  };
}

/** Whoever gives up while waiting is found out when its turn comes. */
const ignore = (): void => {};
