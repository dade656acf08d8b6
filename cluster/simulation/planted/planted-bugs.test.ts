import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { huntForBug } from './bug-hunt.ts';
import { applyEdits } from './edits.ts';
import { type Edit, plantedBugs } from './planted-bugs.ts';

const compiled = new URL('../../../', import.meta.url);

describe('the planted bugs', () => {
  it('are many, and each is named once', () => {
    assert.ok(plantedBugs.length >= 15);
    assert.equal(new Set(plantedBugs.map(({ name }) => name)).size, plantedBugs.length);
  });

  for (const { name, edits } of plantedBugs) {
    it(`have a place for "${name}"`, () => {
      const byFile = new Map<string, Edit[]>();
      for (const edit of edits) byFile.set(edit.file, [...(byFile.get(edit.file) ?? []), edit]);
      for (const [file, here] of byFile) applyEdits(readFileSync(fileURLToPath(new URL(file, compiled)), 'utf8'), here);
    });
  }

  for (const name of ['page saved ahead of the log', 'ack before durable'])
    it(`are found by the simulation: "${name}"`, async function () {
      this.timeout(120_000);
      const seeds = [1, 2, 3, 4, 5, 6, 7, 8];
      const { found, words } = await huntForBug({ name }, { seeds, workers: 1, failuresMax: 1 });
      assert.equal(found, 1, 'in one of eight seeds');
      assert.match(words, /version/);
    });

  it('do not count as found when they cannot be planted', async () => {
    await assert.rejects(
      huntForBug({ name: 'none' }, { seeds: [1], workers: 1, failuresMax: 1 }),
      /there is no bug "none"/,
    );
  });
});
