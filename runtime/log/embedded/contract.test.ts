import { eventLogContract } from '../event-log.contract.ts';
import { feedContract } from '../feed.contract.ts';
import { pageStoreContract } from '../page-store.contract.ts';
import { LogProcess } from './log-process.ts';

eventLogContract('the embedded log', () => LogProcess.start());
eventLogContract('the embedded log, reading from disk', () =>
  LogProcess.start({ tailCacheBytes: 0, indexFlushMs: 20 }),
);
feedContract('the embedded log', () => LogProcess.start());
pageStoreContract('the embedded log', () => LogProcess.start());
