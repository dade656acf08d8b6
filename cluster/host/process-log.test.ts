import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync } from 'node:fs';
import { processLogger, waitingBytesMax } from './process-log.ts';

/** Where every write is told that the disk is full. */
const fullDevice = '/dev/full';

describe('the log of a process', () => {
  it('ends nobody when the disk takes no line, keeps a bounded number of them, and goes on', async function () {
    if (!existsSync(fullDevice)) {
      console.error(`skipped: the log of a process: there is no ${fullDevice}`);
      return this.skip();
    }
    const file = openSync(fullDevice, 'w');
    const faults: unknown[] = [];
    const noted = (error: unknown) => void faults.push(error);
    process.prependListener('uncaughtException', noted);
    try {
      const logger = processLogger({ level: 'info' }, file);
      const line = 'x'.repeat(1_000);
      for (let bytes = 0; bytes < 2 * waitingBytesMax; bytes += line.length) logger.info(line);
      await new Promise<void>((resolve) => setImmediate(resolve));
      assert.deepEqual(faults, []);
    } finally {
      process.removeListener('uncaughtException', noted);
      closeSync(file);
    }
  });
});
