import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestTime, until } from '../runtime.fixture.ts';
import { frame } from './frame.ts';
import { FramedServer, linkOutBytesMax, linkStallMs } from './framed-server.ts';

describe('a server of framed links', () => {
  let folder: string;
  let path: string;
  const time = new TestTime();
  const nothing = { frame: () => {}, closed: () => {} };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hunt-link-'));
    path = join(folder, 's');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('replaces the socket file of a process that was killed, and never that of one that lives', async () => {
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`;
    const child = spawn(process.execPath, ['-e', script]);
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const server = await FramedServer.listen(path, time.timers, () => nothing);
    await assert.rejects(
      FramedServer.listen(path, time.timers, () => nothing),
      { code: 'EADDRINUSE' },
    );
    await server.close();
  });

  it('cuts off a peer that does not read, by bytes or by time (I5)', async () => {
    let closed = 0;
    const server = await FramedServer.listen(path, time.timers, (link) => {
      const large = links++ === 0;
      return {
        frame: () => {
          for (let bytes = 0; large && !link.isOver && bytes < 4 * linkOutBytesMax; bytes += 1 << 20)
            link.write(Buffer.alloc(1 << 20));
          if (!large) link.write(Buffer.alloc(2 << 20));
        },
        closed: () => closed++,
      };
    });
    let links = 0;
    const connect = async (): Promise<ReturnType<typeof createConnection>> => {
      const socket = createConnection(path);
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.pause();
      socket.write(frame(1));
      return socket;
    };
    const first = await connect();
    await until('the first to be cut', () => closed === 1, 50_000);
    const second = await connect();
    await until('the second to be there', () => links === 2);
    await time.advance(linkStallMs + 1_000);
    await until('the second to be cut', () => closed === 2, 50_000);
    first.destroy();
    second.destroy();
    await server.close();
  });
});
