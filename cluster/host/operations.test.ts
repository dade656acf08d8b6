import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ClusterProcess } from './black-box/cluster-process.ts';
import { until } from './black-box/deadline.ts';
import { meadow } from './black-box/definitions.ts';
import { environmentKeys } from './config.ts';
import { packageRoot } from './package-root.ts';
import { requireServer } from './servers/require-server.ts';

const root = packageRoot();
const text = readFileSync(join(root, 'OPERATIONS.md'), 'utf8');
const huntEntry = fileURLToPath(new URL('../cli/hunt.js', import.meta.url));

function section(title: string): string {
  const start = text.indexOf(`\n## ${title}\n`);
  assert.ok(start >= 0, `OPERATIONS.md has no section ${title}`);
  const end = text.indexOf('\n## ', start + 1);
  return text.slice(start, end < 0 ? undefined : end);
}

/** The lines of all blocks of a kind: `sh` is run here, `console` needs what a test has not. */
const commands = (kind: 'sh' | 'console'): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${kind}\\n([^]*?)^\`\`\``, 'gm'))].flatMap(([, block = '']) =>
    block
      .split('\n')
      .map((line) => line.replace(/\s+#.*$/, '').trim())
      .filter((line) => line !== ''),
  );
const run = (args: readonly string[]) => spawnSync(process.execPath, [huntEntry, ...args], { encoding: 'utf8' });

describe('OPERATIONS.md', () => {
  it('lists every setting, and none that there is not', () => {
    const listed = [...section('Settings').matchAll(/^\|([^|]*)\|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`(HUNT_[A-Z_]+)`/g)].map((match) => match[1] as string),
    );
    assert.deepEqual(listed.sort(), [...environmentKeys.keys()].sort());
  });

  it('names no setting anywhere that there is not', () => {
    for (const [name] of text.matchAll(/\bHUNT_[A-Z_]+\b/g))
      assert.ok(environmentKeys.has(name) || name === 'HUNT_UNREADABLE', name);
  });

  it('names no metric that nothing measures', () => {
    const source = ['runtime', 'gateway', 'cluster', 'projections']
      .flatMap((room) => sourcesOf(room))
      .map((file) => readFileSync(file, 'utf8'))
      .join('\n');
    for (const [name] of section('What to watch').matchAll(/\bhunt_[a-z_]+\b/g))
      assert.match(source, new RegExp(`\\b${name}\\b`), name);
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

  it('asks for no command of hunt that there is not', () => {
    const asked = commands('console').flatMap((line) => /(?:^|\s)hunt ([a-z][a-z -]*)/.exec(line)?.[1]?.trim() ?? []);
    assert.ok(asked.length >= 4);
    for (const command of asked) {
      const words =
        command
          .split(' -')[0]
          ?.split(' ')
          .filter((word) => word !== '') ?? [];
      assert.ok(run([...words, '--help']).stdout.startsWith(`Usage: hunt ${words.join(' ')} `), `hunt ${command}`);
    }
  });
});

describe('the commands in OPERATIONS.md', function () {
  this.timeout(90_000);
  let cluster: ClusterProcess;
  let hunt: number;
  before(async function () {
    requireServer(this, 'postgres');
    cluster = await ClusterProcess.start({ nodes: 1, store: true });
    hunt = (await cluster.createHunt(meadow(1))).hunt_id;
    const listed = async () =>
      (await cluster.expect<{ hunts: unknown[] }>('GET', '/v1/hunts', { token: cluster.tokens.operator })).hunts;
    await until('the hunt to be listed', 10_000, async () => (await listed()).length === 1);
  });
  after(() => cluster?.stopAndRemove());

  for (const command of commands('sh')) {
    it(`run: ${command}`, () => {
      const [program, ...args] = command.split(' ').map((word) => (word === 'ID' ? String(hunt) : word));
      assert.equal(program, 'hunt', 'a block of another program is marked console');
      const { status, stdout, stderr } = run([...args, '--data-dir', cluster.dataDir]);
      assert.equal(status, 0, stderr);
      assert.notEqual(stdout.trim(), '');
    });
  }
});

/** Tests and prose apart. */
function sourcesOf(room: string): string[] {
  return readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => join(root, room, name));
}
