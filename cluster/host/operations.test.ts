import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { environmentKeys } from './config.ts';
import { packageRoot } from './package-root.ts';

const text = readFileSync(join(packageRoot(), 'OPERATIONS.md'), 'utf8');
const section = (title: string): string => {
  const start = text.indexOf(`\n## ${title}\n`);
  assert.ok(start >= 0, `OPERATIONS.md has no section ${title}`);
  const end = text.indexOf('\n## ', start + 1);
  return text.slice(start, end < 0 ? undefined : end);
};

describe('OPERATIONS.md', () => {
  it('lists every setting, and none that there is not', () => {
    const listed = [...section('Settings').matchAll(/^\|([^|]*)\|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`(HUNT_[A-Z_]+)`/g)].map((match) => match[1] as string),
    );
    assert.deepEqual(listed.sort(), [...environmentKeys.keys()].sort());
  });

  it('names no setting anywhere that there is not', () => {
    for (const [name] of text.matchAll(/HUNT_[A-Z_]+/g)) assert.ok(environmentKeys.has(name), name);
  });

  it('leads its own links to sections that exist', () => {
    const anchors = new Set(
      [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
        title
          .toLowerCase()
          .replace(/[^a-z0-9 -]/g, '')
          .replaceAll(' ', '-'),
      ),
    );
    for (const [, anchor = ''] of text.matchAll(/\]\(#([^)]+)\)/g)) assert.ok(anchors.has(anchor), `#${anchor}`);
  });
});
