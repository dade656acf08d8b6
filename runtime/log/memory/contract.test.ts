import { eventLogContract } from '../event-log.contract.ts';
import { feedContract } from '../feed.contract.ts';
import { pageStoreContract } from '../page-store.contract.ts';
import { MemoryLog } from './memory-log.ts';
import { MemoryPageStore } from './memory-page-store.ts';

// All clients of the log in memory are one object, which nothing but a test can restart.
const log = (): Promise<{ open(): Promise<MemoryLog>; close(): Promise<void> }> => {
  const only = new MemoryLog();
  return Promise.resolve({ open: () => Promise.resolve(only), close: () => Promise.resolve() });
};
eventLogContract('the log in memory', log);
feedContract('the log in memory', log);
pageStoreContract('the page store in memory', () => {
  const only = Object.assign(new MemoryPageStore(), { close: () => Promise.resolve() });
  return Promise.resolve({ open: () => Promise.resolve(only), close: () => Promise.resolve() });
});
