import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, get, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { systemTimers } from '../../runtime/kernel/timer.ts';
import { lettingInPerTurn, WaitingRoom } from './waiting-room.ts';

describe('the waiting room', () => {
  let server: Server;
  let room: WaitingRoom;
  let hasRoom = true;
  let turns = 0;
  let letInThisTurn = 0;
  let mostInOneTurn = 0;
  let served = 0;
  const sockets: Socket[] = [];
  const port = (): number => (server.address() as AddressInfo).port;
  const until = async (what: string, holds: () => boolean): Promise<void> => {
    for (const deadline = Date.now() + 5_000; !holds(); await new Promise(setImmediate))
      assert.ok(Date.now() < deadline, `waited 5 s for ${what}`);
  };
  const dial = async (asks = true): Promise<Socket> => {
    const socket = connect(port(), '127.0.0.1');
    sockets.push(socket);
    await once(socket, 'connect');
    if (asks) socket.write('GET / HTTP/1.1\r\nHost: here\r\n\r\n');
    return socket;
  };

  beforeEach(async () => {
    [hasRoom, turns, letInThisTurn, mostInOneTurn, served] = [true, 0, 0, 0, 0];
    server = createServer((_request, response) => {
      served++;
      response.end('served');
    });
    server.on('connection', () => {
      mostInOneTurn = Math.max(mostInOneTurn, ++letInThisTurn);
    });
    const timers = {
      ...systemTimers,
      soon: (run: () => void) =>
        systemTimers.soon(() => {
          turns++;
          letInThisTurn = 0;
          run();
        }),
    };
    room = WaitingRoom.before(server, { timers, hasRoom: () => hasRoom });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    server.closeAllConnections();
    server.close();
  });

  it('lets in at once who comes alone', async () => {
    const [response] = (await once(get({ port: port(), host: '127.0.0.1' }), 'response')) as [NodeJS.ReadableStream];
    response.resume();
    await once(response, 'end');
    assert.deepEqual([served, room.size], [1, 0]);
  });

  it('reads nothing of those who wait while there is no room, then lets them in, few a turn', async () => {
    hasRoom = false;
    const crowd = await Promise.all(Array.from({ length: 60 }, () => dial()));
    await until('all to wait', () => room.size === 60);
    assert.equal(served, 0);
    hasRoom = true;
    room.look();
    await until('all to be served', () => served === 60);
    assert.equal(room.size, 0);
    assert.ok(mostInOneTurn <= lettingInPerTurn, `${mostInOneTurn} were let in in one turn`);
    assert.ok(turns >= 60 / lettingInPerTurn);
    assert.match(String((await once(crowd[59] as Socket, 'data'))[0]), /served/);
  });

  it('passes over those who gave up', async () => {
    hasRoom = false;
    const [gone] = [await dial(false), await dial()];
    await until('both to wait', () => room.size === 2);
    gone.resetAndDestroy();
    hasRoom = true;
    room.look();
    await until('the other to be served', () => served === 1);
    await until('nobody to wait', () => room.size === 0);
  });
});
