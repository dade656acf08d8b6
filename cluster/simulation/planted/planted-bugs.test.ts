import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
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
});
