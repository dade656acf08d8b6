import { archiveContract } from './archive.contract.ts';
import { MemoryArchive } from './memory-archive.ts';

archiveContract('the archive in memory', () => {
  const only = new MemoryArchive();
  return Promise.resolve({ open: () => only, close: () => Promise.resolve() });
});
