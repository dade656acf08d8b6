import assert from 'node:assert/strict';
import { runBatch } from './batch.ts';
import { failedSeeds } from './failed-seeds.ts';

const seedsInTests = 200;

describe('the simulated cluster', function () {
  this.timeout(300_000);

  it(`keeps what it promises through ${seedsInTests} seeds of faults, and answers everybody afterwards`, async () => {
    const first = Array.from({ length: seedsInTests }, (_, i) => i + 1);
    const report = await runBatch({
      seeds: [...new Set([...first, ...failedSeeds.map(({ seed }) => seed)])],
      workers: 2,
      failuresMax: 3,
      onReport: () => undefined,
    });
    const failed = report.failed.map(({ seed, faults }) => `npm run sim -- --seed ${seed}: ${faults[0]}`);
    assert.deepEqual(failed, []);
    assert.deepEqual(report.missing, [], 'what was to happen in some run has happened');
    assert.ok(report.acked > seedsInTests, `${report.acked} commands were acknowledged`);
  });

  it('makes the same history of the same seed, to the byte', async () => {
    const hashes: string[] = [];
    await runBatch({ seeds: [7, 7, 8], workers: 1, onReport: ({ hash }) => hashes.push(hash) });
    assert.equal(hashes[0], hashes[1]);
    assert.notEqual(hashes[0], hashes[2], 'another seed makes another history');
  });
});
