/** A log process for the tests: its options come as JSON; it says when it serves. Test code. */
import { systemClock } from '../../kernel/clock.ts';
import { systemTimers } from '../../kernel/timer.ts';
import { EmbeddedLogServer, type EmbeddedLogServerOptions } from './server.ts';

const options = JSON.parse(process.argv[2] as string) as Pick<EmbeddedLogServerOptions, 'dir' | 'socketPath' | 'sync'>;
const say = (_fields: object, message: string): void => {
  process.send?.({ said: message });
};
try {
  const logger = { info: say, warn: say, error: say };
  const server = await EmbeddedLogServer.start({ ...options, clock: systemClock, timers: systemTimers, logger });
  process.on('message', () => void server.close().then(() => process.exit(0)));
  process.on('disconnect', () => process.exit(0));
  process.send?.({ serves: true });
} catch (error) {
  process.send?.({ failed: (error as Error).message });
  process.exit(1);
}
