import assert from 'node:assert/strict';
import { natsServer } from '../../../cluster/host/servers/nats-server.ts';
import type { PrivateServer } from '../../../cluster/host/servers/private-server.ts';
import { requireServer } from '../../../cluster/host/servers/require-server.ts';
import { systemClock } from '../../kernel/clock.ts';
import { systemRandom } from '../../kernel/random.ts';
import { systemTimers } from '../../kernel/timer.ts';
import { eventually } from '../contract-fixture.ts';
import { TcpProxy } from '../tcp-proxy.fixture.ts';
import { NatsLink } from './nats-link.ts';
import { hostOf } from './nats-log.fixture.ts';

/** Longer than the server waits for a client to say who he is. */
const settledMs = 3_000;

describe('a link to NATS', function () {
  this.timeout(40_000);
  let server: PrivateServer;
  let proxy: TcpProxy;
  let link: NatsLink;
  let told: string[];

  before(async function () {
    requireServer(this, 'nats');
    server = await natsServer();
  });
  after(() => server?.close());
  beforeEach(async () => {
    proxy = await TcpProxy.start(hostOf(server.url));
    link = await NatsLink.open({
      servers: [`nats://127.0.0.1:${proxy.port}`],
      name: 'test',
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
      connectMs: 5_000,
    });
    told = [];
    link.listen({ up: () => told.push('up'), down: () => told.push('down') });
  });
  afterEach(async () => {
    await link?.close();
    await proxy?.close();
  });

  const nextMessage = (subject: string): { readonly heard: string[] } => {
    const heard: string[] = [];
    link.subscribe(subject, (message) => heard.push(Buffer.from(message.data).toString()));
    return { heard };
  };

  it('leaves no connection behind that it gave up, while the server is silent: there is one, and one that reads', async () => {
    const { heard } = nextMessage('news');
    proxy.hold('down');
    proxy.cut();
    const before = proxy.accepted;
    await eventually('three more tries', async () => proxy.accepted >= before + 3, 15_000);
    assert.ok(proxy.open <= 1, `${proxy.open} connections are open`);
    proxy.release('down');
    await eventually('the link to be up', async () => link.isUp, 15_000);
    // The server ends connections on which nobody has said who he is, after 2 s: none of them was ours any more.
    const ups = told.length;
    const upAt = systemClock.monotonic();
    await eventually(
      'the last word about connections that were given up',
      async () => proxy.open === 1 && systemClock.monotonic() > upAt + settledMs,
      15_000,
    );
    assert.deepEqual([told.length, told.at(-1)], [ups, 'up'], told.join());
    link.publish('news', Buffer.from('once'), '');
    await eventually('the message', async () => heard.length > 0);
    assert.deepEqual(heard, ['once']);
  });

  it('subscribes again after a break, and not to what was given up meanwhile', async () => {
    const kept = nextMessage('kept');
    const gone: string[] = [];
    const stop = link.subscribe('gone', () => gone.push('heard'));
    proxy.refuse();
    proxy.cut();
    await eventually('the link to be down', async () => !link.isUp);
    stop();
    proxy.admit();
    await eventually('the link to be up', async () => link.isUp, 15_000);
    link.publish('gone', Buffer.from('x'), '');
    link.publish('kept', Buffer.from('y'), '');
    await eventually('the message', async () => kept.heard.length === 1);
    assert.deepEqual([kept.heard, gone, told], [['y'], [], ['down', 'up']]);
  });
});
