import { connect } from 'node:net';

/** Connects, says something, and resolves when what comes back matches. Rejects on any fault; the caller bounds the wait. */
export function lineProbe(port: number, say: string, expected: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    let heard = '';
    socket.setTimeout(2_000, () => socket.destroy(new Error('no answer in 2 s')));
    socket.on('connect', () => socket.write(say));
    socket.on('data', (bytes) => {
      heard += bytes.toString('latin1');
      if (!expected.test(heard)) return;
      resolve();
      socket.destroy();
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`it answered ${JSON.stringify(heard.slice(0, 200))}`)));
  });
}
