import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../deadline.ts';
import { Bridge } from './bridge.ts';
import { knowsPeers } from './peers.ts';

const waitMs = 5_000;

for (const kind of ['TCP', 'Unix sockets'] as const)
  describe(`a bridge over ${kind}`, () => {
    let folder: string;
    let server: Server;
    let bridge: Bridge;
    let arrived: string;
    let there: Socket[];
    let back: string;
    let client: Socket;
    const names = new Map<number, string>();

    const dial = (): Socket =>
      kind === 'TCP' ? connect(bridge.port, '127.0.0.1') : connect(join(folder, 'bridge.sock'));
    const says = (what: string, is: () => boolean): Promise<unknown> => until(what, waitMs, is);

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'hunt-bridge-'));
      arrived = back = '';
      there = [];
      names.clear();
      server = createServer((socket) => {
        there.push(socket);
        socket.on('error', () => undefined);
        socket.on('data', (chunk) => {
          arrived += chunk;
        });
      });
      const at = kind === 'TCP' ? { host: '127.0.0.1', port: 0 } : { path: join(folder, 'server.sock') };
      await new Promise<void>((resolve) => server.listen(at, resolve));
      bridge = await Bridge.open({
        name: 'way',
        listen: kind === 'TCP' ? at : { path: join(folder, 'bridge.sock') },
        target: () =>
          kind === 'TCP' ? { host: '127.0.0.1', port: (server.address() as { port: number }).port } : { ...at },
        nameOf: (pid) => names.get(pid),
      });
      client = dial();
      client.on('error', () => undefined);
      client.on('data', (chunk) => {
        back += chunk;
      });
      client.write('a');
      await says('a byte to arrive', () => arrived === 'a');
    });
    afterEach(() => {
      client.destroy();
      bridge.close();
      server.close();
      rmSync(folder, { recursive: true });
    });

    it('keeps bytes back in one direction only, and lets them arrive in order', async () => {
      const cut = await bridge.cut({ travellers: undefined, directions: ['up'], manner: 'keep' });
      client.write('b');
      await says('a byte to be kept', () => cut.bytes === 1);
      there[0]?.write('x');
      await says('the other direction to be open', () => back === 'x');
      client.write('c');
      await says('two bytes to be kept', () => cut.bytes === 2);
      assert.equal(arrived, 'a');
      bridge.heal(cut);
      client.write('d');
      await says('all to arrive', () => arrived === 'abcd');
    });

    it('breaks a connection of which something was lost, once the cut is healed', async () => {
      const cut = await bridge.cut({ travellers: undefined, directions: ['up', 'down'], manner: 'lose' });
      client.write('b');
      await says('a byte to be lost', () => cut.bytes === 1);
      assert.equal(client.destroyed, false, 'nobody is told while it lasts');
      bridge.heal(cut);
      await says('the connection to break', () => client.destroyed);
      assert.equal(arrived, 'a');
    });

    it('tells nobody of an end that cannot get through', async () => {
      const ended = once(there[0] as Socket, 'close');
      let isEnded = false;
      void ended.then(() => {
        isEnded = true;
      });
      const cut = await bridge.cut({ travellers: undefined, directions: ['up', 'down'], manner: 'keep' });
      const second = dial();
      second.on('error', () => undefined);
      second.write('e');
      client.destroy();
      await says('the second to be kept waiting', () => cut.connections === 1);
      assert.deepEqual([isEnded, there.length], [false, 1]);
      bridge.heal(cut);
      await ended;
      await says('the second to get through', () => arrived === 'ae');
      second.destroy();
    });

    it('lets a connection through once, though it was healed while the kernel was asked whose it is', async () => {
      const cut = await bridge.cut({ travellers: ['nobody'], directions: ['up'], manner: 'keep' });
      const second = dial();
      second.on('error', () => undefined);
      second.write('e');
      while (bridge.open < 2) await new Promise((resolve) => setImmediate(resolve));
      bridge.heal(cut);
      await says('the second to arrive', () => arrived.length > 1);
      // Asks the kernel, too, and later.
      assert.equal(await bridge.breakOff(['nobody']), 0);
      second.write('f');
      await says('all of it to arrive', () => arrived.endsWith('f'));
      assert.deepEqual([arrived, there.length], ['aef', 2]);
      second.destroy();
    });

    it('tells travellers apart by their process', async function () {
      if (!knowsPeers) this.skip();
      const address = kind === 'TCP' ? `${bridge.port}, '127.0.0.1'` : JSON.stringify(join(folder, 'bridge.sock'));
      const other = spawn(process.execPath, [
        '-e',
        `const s = require('net').connect(${address}); s.write('o'); s.on('close', () => process.exit(7)); s.on('error', () => {});`,
      ]);
      names.set(other.pid ?? 0, 'other');
      await says('the other to arrive', () => arrived === 'ao');
      assert.equal(await bridge.breakOff(['nobody']), 0);
      assert.equal(await bridge.breakOff(['other']), 1);
      assert.equal((await once(other, 'exit'))[0], 7);
      client.write('z');
      await says('this process to be let alone', () => arrived === 'aoz');
    });
  });
