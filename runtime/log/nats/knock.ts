/**
 * Whether a NATS server is there: it speaks first. On a connection of our own, which is closed for certain; one that the client
 * library has begun to dial it does not close when nobody answers, as of a server that is stopped.
 */
import { connect } from 'node:net';
import type { Timers } from '../../kernel/timer.ts';

/** The first of these (host:port, all asked at once) whose server speaks. Rejects when none has within `ms`. */
export function knock(servers: readonly string[], ms: number, timers: Timers): Promise<string> {
  return Promise.any(servers.map((server) => knockAt(server, ms, timers))).catch((error: AggregateError) => {
    throw error.errors[0];
  });
}

const portDefault = 4222;

function knockAt(server: string, ms: number, timers: Timers): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(`nats://${server}`);
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? portDefault : Number(port) });
    const over = (settle: () => void): void => {
      cancel();
      socket.destroy();
      settle();
    };
    const cancel = timers.after(ms, () => over(() => reject(new Error(`${server} does not answer`))));
    socket.once('data', (bytes) =>
      over(() =>
        bytes.toString('latin1', 0, 5) === 'INFO ' ? resolve(server) : reject(new Error(`${server} is no NATS server`)),
      ),
    );
    socket.once('error', (error) => over(() => reject(error)));
    socket.once('close', () => over(() => reject(new Error(`${server} closed the connection`))));
  });
}
