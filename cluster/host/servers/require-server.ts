import { findPostgres } from '../postgres-binaries.ts';
import { missingForKafka } from './kafka-jars.ts';
import { findProgram } from './programs.ts';

export type ServerKind = 'nats' | 'redis' | 'postgres' | 'kafka';

/** Long enough for the first run on a machine to fetch Kafka from Maven. */
const fetchMaxMs = 300_000;

/** What keeps a server of this kind from being started here, as a phrase; undefined when nothing does. */
export function missing(kind: ServerKind): string | undefined {
  switch (kind) {
    case 'nats':
      return findProgram('nats-server') === undefined ? 'nats-server is not on the PATH' : undefined;
    case 'redis':
      return findProgram('redis-server') === undefined ? 'redis-server is not on the PATH' : undefined;
    case 'postgres': {
      const found = findPostgres();
      return 'missing' in found ? found.missing : undefined;
    }
    case 'kafka':
      return missingForKafka();
  }
}

/**
 * First line of a `before` hook or a test: skips it, naming what is missing, or fails with REQUIRE_SERVICES=1.
 * Synchronous, so that nobody can forget to await it.
 */
export function requireServer(context: Mocha.Context, kind: ServerKind): void {
  if (kind === 'kafka') context.timeout(Math.max(context.timeout(), fetchMaxMs));
  const what = missing(kind);
  if (what === undefined) return;
  const title = context.runnable().parent?.fullTitle() ?? context.runnable().title;
  if (process.env.REQUIRE_SERVICES === '1') throw new Error(`${what}, and REQUIRE_SERVICES=1 wants it`);
  console.error(`skipped: ${title}: ${what}`);
  context.skip();
}
