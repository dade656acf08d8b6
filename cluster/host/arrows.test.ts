import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from './package-root.ts';

/** Who may import whom; `*` = everything. Tests, fixtures and benchmarks are free. */
const arrows: Record<string, readonly string[]> = {
  proto: ['proto'],
  runtime: ['runtime', 'proto'],
  actors: ['actors', 'runtime', 'proto'],
  gateway: ['gateway', 'actors', 'runtime', 'proto'],
  projections: ['projections', 'actors', 'runtime', 'proto'],
  cluster: ['cluster', 'actors', 'runtime', 'proto'],
  'cluster/host': ['*'],
  'cluster/cli': ['*'],
};
/** What of the runtime a domain may know: the shape of an actor, and nothing that does I/O. */
const openToActors = new Set(['runtime/decider.ts', 'runtime/define-actor.ts']);
const free =
  /(\.test|\.contract|[.-]fixture|\.chaos|\.sim|\.bench|spec|scripted-[a-z-]+)\.ts$|\/(black-box|servers|simulation|web)\//;

const root = packageRoot(dirname(fileURLToPath(import.meta.url)));

function* sources(folder: string): Generator<string> {
  // A room that has an arrow and no file yet.
  if (!existsSync(join(root, folder))) return;
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) yield* sources(path);
    else if (path.endsWith('.ts') && !free.test(path)) yield path;
  }
}

const roomOf = (path: string): string =>
  /^cluster\/(host|cli)\//.exec(path) ? path.split('/').slice(0, 2).join('/') : (path.split('/')[0] as string);

function importsOf(path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((match) =>
    relative(root, join(root, dirname(path), match[1] as string)),
  );
}

describe('the import arrows', () => {
  const files = Object.keys(arrows)
    .filter((room) => !room.includes('/'))
    .flatMap((room) => [...sources(room)]);

  it('are read from every source file', () => {
    assert.ok(files.length > 100, `only ${files.length} files were found below ${root}`);
  });

  it('point only where the architecture says', () => {
    const wrong: string[] = [];
    for (const file of files) {
      const room = roomOf(file);
      for (const target of importsOf(file)) {
        const targetRoom = roomOf(target);
        const allowed = arrows[room]?.includes('*') || arrows[room]?.includes(targetRoom);
        if (!allowed) wrong.push(`${file} imports ${target}`);
        if (room === 'actors' && targetRoom === 'runtime' && !openToActors.has(target))
          wrong.push(`${file} imports ${target}: actors know only decider.ts and define-actor.ts`);
        if (targetRoom === 'cluster/cli' && room !== 'cluster/cli' && room !== 'cluster/host')
          wrong.push(`${file} imports the CLI`);
      }
    }
    assert.deepEqual(wrong, []);
  });

  it('keep the runtime ignorant of hunts', () => {
    const wrong = [...sources('runtime')].filter((file) =>
      /\bfrom '[^']*actors\//.test(readFileSync(join(root, file), 'utf8')),
    );
    assert.deepEqual(wrong, []);
  });
});

describe('the one door to time, randomness and the environment', () => {
  it('is runtime/kernel and the configuration; only clients and tools go past it', () => {
    const door = /\b(Date\.now|Math\.random|setTimeout|setInterval|process\.env)\b/;
    const outside = ['runtime/kernel/', 'cluster/host/config', 'gateway/sdk/', 'cluster/cli/'];
    const wrong: string[] = [];
    for (const file of ['runtime', 'actors', 'gateway', 'projections', 'cluster'].flatMap((room) => [
      ...sources(room),
    ])) {
      if (outside.some((prefix) => file.startsWith(prefix))) continue;
      readFileSync(join(root, file), 'utf8')
        .split('\n')
        .forEach((line, i) => {
          if (door.test(line) && !/^\s*(\*|\/\/)/.test(line)) wrong.push(`${file}:${i + 1} ${line.trim()}`);
        });
    }
    assert.deepEqual(wrong, []);
  });
});
