/** An archiver of its own, for tests that kill it. Test code. */
import type { Slot } from '../proto/ids.ts';
import { systemClock } from '../runtime/kernel/clock.ts';
import { systemTimers } from '../runtime/kernel/timer.ts';
import { FolderArchive } from '../runtime/log/archive/folder-archive.ts';
import { EmbeddedLog } from '../runtime/log/embedded/client.ts';
import { Archiver } from './archive.ts';
import { noArchiveMetrics } from './archive-metrics.ts';

const [socketPath, folder, slots, keepMs] = process.argv.slice(2) as [string, string, string, string];
const say = (facts: object, message: string): void => void process.send?.({ message, ...facts });
const log = await EmbeddedLog.connect({ socketPath, patienceMs: 20_000 });
new Archiver({
  log,
  archive: new FolderArchive(folder),
  ownedSlots: () => slots.split(',').map((slot) => Number(slot) as Slot),
  keepMs: Number(keepMs),
  clock: systemClock,
  timers: systemTimers,
  journal: { info: say, warn: say, error: say },
  metrics: { ...noArchiveMetrics, count: (name, by) => by > 0 && process.send?.({ counted: name, by }) },
  roundMs: 5,
}).start();
process.on('disconnect', () => process.exit(0));
