import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorCatalogue } from '../../proto/error-code.ts';
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
    const source = ['runtime', 'gateway', 'cluster', 'projections'].map(sourceOf).join('\n');
    for (const [name] of text.matchAll(/\bhunt_[a-z_]*[a-z]\b/g))
      assert.match(source, new RegExp(`\\b${name}\\b`), name);
  });

  describe('by symptom', () => {
    const rows = [...section('By symptom').matchAll(/^\| (\*\*.+?)$/gm)].map(([, row = '']) => {
      const [symptom = '', look = '', remedy = ''] = row.split(/ \| /);
      return { symptom, look, remedy };
    });
    const known: Readonly<Record<string, RegExp>> = {
      'the lag grows': /^\*\*lag grows\*\*/,
      'a node flaps': /^\*\*a node flaps\*\*/,
      'a slot is parked': /^\*\*a slot is parked\*\*/,
      'a hunt is parked': /^\*\*a hunt is parked\*\*/,
      'a disk is full': /^\*\*disk full\*\*/,
      'the log is down': /^\*\*the log is down\*\*/,
      'the wrong ring was applied': /^\*\*the wrong ring was applied\*\*/,
    };
    for (const [what, pattern] of Object.entries(known))
      it(`says where to look and what to do when ${what}`, () => {
        const found = rows.filter(({ symptom }) => pattern.test(symptom));
        assert.ok(found.length > 0, `there is no row for it among ${rows.map(({ symptom }) => symptom).join(', ')}`);
        for (const { look, remedy } of found) {
          assert.match(look, /`(hunt |\/readyz|hunt_)/, 'nothing to look at');
          assert.match(remedy, /\w{4}/, 'nothing to do');
        }
      });

    it('names commands as they can be typed: each exists, with these flags', () => {
      const typed = rows.flatMap(({ look, remedy }) =>
        [...`${look} ${remedy}`.matchAll(/`(hunt [^`]+)`/g)].map(([, c]) => c),
      );
      const asked = new Set(typed as string[]);
      assert.ok(asked.size >= 8, [...asked].join());
      const helps = new Map<string, string>();
      for (const line of asked) {
        const words = line.split(' ').slice(1);
        const command = words.filter((word) => /^[a-z-]+$/.test(word) && !word.startsWith('-')).join(' ');
        if (!helps.has(command)) helps.set(command, run([...command.split(' '), '--help']).stdout);
        const help = helps.get(command) as string;
        assert.ok(help.startsWith(`Usage: hunt ${command} `) || command === 'up', line);
        for (const flag of words.filter((word) => word.startsWith('--')))
          assert.match(help, new RegExp(`${flag}\\b`), `${line}: ${flag}`);
      }
    });

    it('names error codes, checks of /readyz and kinds of events that there are', () => {
      const told = rows.map(({ look, remedy }) => `${look} ${remedy}`).join('\n');
      const codes = [...told.matchAll(/`([A-Z]+(?:_[A-Z]+)*)`/g)].map(([, code]) => code as string);
      assert.ok(codes.length > 0);
      for (const code of codes)
        assert.ok(code in errorCatalogue || environmentKeys.has(code) || code === 'OPERATION', code);
      const source = sourceOf('cluster');
      const checks = new Set([...source.matchAll(/name: '(\w+)'|slotsCheck\('(\w+)'/g)].map(([, a, b]) => a ?? b));
      for (const [, name = ''] of told.matchAll(
        /`(store|rows|schema|slots|appends|archive|log|kafka|nats|relay|parked)`/g,
      ))
        assert.ok(checks.has(name), `no check is called ${name}`);
      for (const [, kind = ''] of told.matchAll(/`((?:Node|Slots|Operation)[A-Z][a-z]+)`/g))
        assert.match(source, new RegExp(`\\b${kind}\\b`), kind);
    });
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

const sourceOf = (room: string): string =>
  sourcesOf(room)
    .map((file) => readFileSync(file, 'utf8'))
    .join('\n');

/** Tests and prose apart. */
function sourcesOf(room: string): string[] {
  return readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => join(root, room, name));
}
