/**
 * The crowd of the storm, in a process of its own: `count` clients that connect at the same moment, resume from a version, and
 * are done when they are live. Told what to do by one message of its parent; answers `done` with the times.
 */
import WebSocket from 'ws';

export interface StormOrder {
  readonly url: string;
  /** One client each. */
  readonly clients: readonly { readonly hunt: number; readonly token: string }[];
  readonly from: number;
  readonly withinMs: number;
}
export interface StormTimes {
  readonly liveMs: readonly number[];
  readonly refused: number;
  readonly closed: number;
  readonly notLive: number;
}

const liveMark = Buffer.from('"live"');

process.once('message', (order: StormOrder) => void storm(order));

async function storm({ url, clients, from, withinMs }: StormOrder): Promise<void> {
  const begun = performance.now();
  const liveMs: number[] = [];
  let [refused, closed] = [0, 0];
  const sockets = new Set<WebSocket>();
  const connect = (client: StormOrder['clients'][number], done: () => void): void => {
    const socket = new WebSocket(url, ['hunt.v1.json'], {
      perMessageDeflate: false,
      skipUTF8Validation: true,
      handshakeTimeout: withinMs,
      headers: { authorization: `Bearer ${client.token}` },
    });
    sockets.add(socket);
    let isLive = false;
    let isOver = false;
    const again = (ms: number): void => {
      if (isOver) return;
      isOver = true;
      sockets.delete(socket);
      socket.terminate();
      setTimeout(() => connect(client, done), ms * (0.5 + Math.random() / 2));
    };
    socket.on('open', () => socket.send(JSON.stringify({ t: 'sub', hunt: client.hunt, from })));
    socket.on('message', (data: Buffer) => {
      if (isLive || !data.subarray(0, 64).includes(liveMark)) return;
      isLive = true;
      liveMs.push(performance.now() - begun);
      done();
    });
    socket.on('unexpected-response', (_request, response) => {
      refused++;
      again(Number(response.headers['retry-after'] ?? 1) * 1_000);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      if (isLive || isOver) return;
      closed++;
      again(500);
    });
  };
  await Promise.race([
    Promise.all(clients.map((client) => new Promise<void>((done) => connect(client, done)))),
    new Promise((late) => setTimeout(late, withinMs)),
  ]);
  const times: StormTimes = { liveMs, refused, closed, notLive: clients.length - liveMs.length };
  process.send?.(times, () => {
    for (const socket of sockets) socket.terminate();
    process.exit(0);
  });
}
