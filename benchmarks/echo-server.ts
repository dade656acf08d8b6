/** The other side of the echo floor, a process of its own as a gateway is: a bare `ws` server that sends back what it gets. Tells its port on stdout. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

const http = createServer();
const server = new WebSocketServer({ server: http, perMessageDeflate: false });
server.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
http.listen(0, '127.0.0.1', () => process.stdout.write(`${(http.address() as AddressInfo).port}\n`));
process.stdin.on('end', () => process.exit(0)).resume(); // Ends with the benchmark that started it.
