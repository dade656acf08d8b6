import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { closeCodes } from './close-code.ts';
import { errorCatalogue } from './error-code.ts';

let root = dirname(fileURLToPath(import.meta.url));
while (!existsSync(join(root, 'package.json'))) root = dirname(root);
const protocol = readFileSync(join(root, 'PROTOCOL.md'), 'utf8');
const rowsUnder = (heading: string): string[][] => {
  const section = protocol.split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.includes('---'))
    .slice(1)
    .map((line) =>
      line
        .split('|')
        .map((cell) => cell.trim())
        .slice(1, -1),
    );
};

describe('the error catalogue', () => {
  it('is the table in PROTOCOL.md, code by code', () => {
    const documented = Object.fromEntries(
      rowsUnder('Errors').map(([code, http, grpc, retry]) => [
        code,
        { http: Number(http), grpc, retryable: retry === 'yes' },
      ]),
    );
    assert.deepEqual(documented, errorCatalogue);
  });
});

describe('the close codes', () => {
  it('are the table in PROTOCOL.md', () => {
    const documented = rowsUnder('Close codes').map(([code]) => Number(code));
    assert.deepEqual(
      documented,
      Object.values(closeCodes).map((row) => row.code),
    );
  });
});
