/** Starts servers, says what they are, and waits to be killed: see servers.test.ts. */
import { natsServer } from './nats-server.ts';
import { redisServer } from './redis-server.ts';

const servers = await Promise.all([natsServer(), redisServer()]);
// One is stopped: it must end all the same.
servers[1].pause();
process.send?.(servers.map(({ pid, folder }) => ({ pid, folder })));
