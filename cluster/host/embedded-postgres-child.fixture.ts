/** Runs PostgreSQL for a folder until it is killed: see embedded-postgres.test.ts. */
import { startEmbeddedPostgres } from './embedded-postgres.ts';

const [dataDir, port] = process.argv.slice(2) as [string, string];
const logFile = `${dataDir}/postgres.log`;
const { url, pid } = await startEmbeddedPostgres({ dataDir, port: Number(port), host: '127.0.0.1', logFile });
process.send?.({ url, pid });
