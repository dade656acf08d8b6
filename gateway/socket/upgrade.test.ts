import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { routeUpgrades } from './upgrade.ts';

describe('a request to change the protocol', () => {
  let server: Server;
  const sockets: string[] = [];
  before(async () => {
    server = createServer((request, response) => {
      response.setHeader('content-type', 'text/plain');
      response.end(`${request.method} ${request.url}`);
    });
    routeUpgrades(server, {
      handleUpgrade: (request, socket) => {
        sockets.push(String(request.url));
        socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n');
      },
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  after(() => server.close());

  /** Until the server ends the connection. */
  async function exchange(head: string, body = ''): Promise<string> {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    let got = '';
    socket.on('data', (bytes: Buffer) => {
      got += bytes.toString();
    });
    socket.write(`${head}\r\nHost: x\r\n\r\n${body}`);
    await once(socket, 'close');
    return got;
  }
  const upgrade = (protocol: string) => `Connection: Upgrade\r\nUpgrade: ${protocol}`;

  it('is a socket at its path alone', async () => {
    assert.match(await exchange(`GET /v1/socket?x=1 HTTP/1.1\r\n${upgrade('WebSocket')}`), /^HTTP\/1\.1 101/);
    assert.deepEqual(sockets, ['/v1/socket?x=1']);
  });

  it('is answered as if it had not asked, elsewhere or for another protocol', async () => {
    for (const [path, protocol] of [
      ['/healthz', 'h2c'],
      ['/healthz', 'websocket'],
      ['/v1/socket', 'h2c'],
    ] as const) {
      const answer = await exchange(`GET ${path} HTTP/1.1\r\n${upgrade(protocol)}`);
      assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/);
      assert.match(answer, /\r\nconnection: close\r\n/i);
      assert.ok(answer.includes(`GET ${path}`), answer);
    }
    const head = await exchange(`HEAD /healthz HTTP/1.1\r\n${upgrade('h2c')}`);
    assert.ok(head.startsWith('HTTP/1.1 200 OK') && head.endsWith('\r\n\r\n'), head);
  });

  it('is refused with a remedy when it has a body', async () => {
    const answer = await exchange(`POST /v1/join HTTP/1.1\r\nContent-Length: 2\r\n${upgrade('h2c')}`, '{}');
    assert.match(answer, /^HTTP\/1\.1 400 .*application\/problem\+json.*without the Upgrade header/s);
  });
});
