import { natsServer } from '../../../cluster/host/servers/nats-server.ts';
import type { PrivateServer } from '../../../cluster/host/servers/private-server.ts';
import { requireServer } from '../../../cluster/host/servers/require-server.ts';
import type { LogFixture } from '../contract-fixture.ts';
import { eventLogContract } from '../event-log.contract.ts';
import { feedContract } from '../feed.contract.ts';
import { pageStoreContract } from '../page-store.contract.ts';
import { connectNatsLog, type NatsLog, type NatsLogOptions } from './nats-log.ts';

describe('on NATS', () => {
  let server: PrivateServer;
  let clusters = 0;

  before(async function () {
    requireServer(this, 'nats');
    server = await natsServer();
  });
  after(() => server?.close());

  /** Each suite is a cluster of its own on one server. */
  function fixture(more: Partial<NatsLogOptions> = {}): Promise<LogFixture<NatsLog>> {
    const options: NatsLogOptions = {
      servers: [server.url],
      cluster: `suite.${++clusters}`,
      logBytesMax: 128 * 1024 * 1024,
      pageBytesMax: 64 * 1024 * 1024,
      ...more,
    };
    return Promise.resolve({
      fencing: 'as_learned',
      open: () => connectNatsLog(options),
      opener: { module: new URL('./nats-log.js', import.meta.url).href, args: options },
      restartServer: async () => {
        await server.kill();
        await server.start();
      },
      close: () => Promise.resolve(),
    });
  }

  eventLogContract('the NATS log', () => fixture());
  eventLogContract('the NATS log, asking the leader', () => fixture({ reading: 'leader' }));
  feedContract('the NATS log', () => fixture());
  pageStoreContract('the NATS log', () => fixture());
});
