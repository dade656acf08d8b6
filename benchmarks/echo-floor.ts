/** The floor under sockets: the same client, the same rate and size, but a bare `ws` echo on the other side. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import WebSocket from 'ws';
import { within } from '../cluster/host/black-box/deadline.ts';
import { cpuSeconds } from './cpu-meter.ts';
import { runOpenLoop } from './open-loop.ts';
import { Quantiles, rounded } from './quantiles.ts';

const messageBytes = 80;
const measureS = 3;

export async function echoFloor(sockets: number, perSecond: number): Promise<Readonly<Record<string, unknown>>> {
  const server = spawn(process.execPath, [fileURLToPath(new URL('./echo-server.js', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    const [line] = (await within('the echo server to listen', 10_000, once(server.stdout, 'data'))) as [Buffer];
    const lines = await Promise.all(
      Array.from({ length: sockets }, async () => {
        const socket = new WebSocket(`ws://127.0.0.1:${line.toString().trim()}`, { perMessageDeflate: false });
        await once(socket, 'open');
        return socket;
      }),
    );
    const rounds = new Quantiles();
    const due: number[][] = lines.map(() => []);
    for (const [i, socket] of lines.entries())
      socket.on('message', () => rounds.add(performance.now() - (due[i]?.shift() ?? 0)));
    const message = Buffer.alloc(messageBytes, 0x20);
    const cpuBefore = cpuSeconds(server.pid as number);
    let next = 0;
    const sent = await runOpenLoop({
      perSecond,
      seconds: measureS,
      tickMs: 2,
      issue(count, first, step) {
        for (let k = 0; k < count; k++) {
          const i = next++ % lines.length;
          due[i]?.push(first + k * step);
          lines[i]?.send(message);
        }
      },
    });
    const usPerMessage = ((cpuSeconds(server.pid as number) - cpuBefore) * 1e6) / sent;
    for (const socket of lines) socket.terminate();
    return {
      echo_p50_ms: rounded(rounds.at(0.5)),
      echo_p99_ms: rounded(rounds.at(0.99)),
      echo_us_cpu_per_message: rounded(usPerMessage, 1),
    };
  } finally {
    server.stdin.end();
  }
}
