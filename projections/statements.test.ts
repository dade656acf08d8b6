import assert from 'node:assert/strict';
import { requireServer } from '../cluster/host/servers/require-server.ts';
import type { Slot } from '../proto/ids.ts';
import { slotCount } from '../proto/ids.ts';
import { Connection } from './connection.ts';
import * as huntRows from './hunt-rows.ts';
import { freshDatabase } from './projections.fixture.ts';
import { ensureSchema } from './schema.ts';
import { slotKeyOf, slotKeys, slotOfKey } from './slot-key.ts';
import { statementRowsMax } from './statement.ts';
import { all, hunt, label, makers, onCatalog, onHunts, others, player, slot, snapshot } from './statements.fixture.ts';

describe('the statements on hunts', () => {
  it('are all looked at here', () => {
    assert.deepEqual(makers.filter((name) => !others.has(name)).sort(), all.map(([name]) => name).sort());
  });

  it('are the same for the same input', () => {
    for (const [name, make] of all) assert.deepEqual(make(), make(), name);
  });

  for (const [name, make] of Object.entries(onHunts)) {
    it(`keep to one shard: ${name}`, () => {
      for (const statement of make()) {
        const { text, values } = statement;
        assert.doesNotMatch(text, /\bjoin\b/i, label(statement));
        assert.doesNotMatch(text, /\bunnest\b/i, label(statement));
        assert.doesNotMatch(text, /\bnow\s*\(|current_timestamp|clock_timestamp/i, label(statement));
        assert.equal(
          text.match(/\b(FROM|INTO|UPDATE)\s+[a-z_]+\b/g)?.filter((part) => !/UPDATE SET/i.test(part)).length,
          1,
        );
        if (/^INSERT/.test(text)) {
          assert.match(text, /^INSERT INTO \w+ \(slot_key, /, label(statement));
          assert.match(text, /ON CONFLICT \(slot_key[,)]/, label(statement));
          assert.match(text, / VALUES \(\$1, /, label(statement));
          const width = (text.match(/^INSERT INTO \w+ \(([^)]+)\)/)?.[1] ?? '').split(',').length;
          const keys = values.filter((_, i) => i % width === 0);
          assert.ok(keys.length === 1 || /VALUES \(\$1, .*\), \(/.test(text));
          assert.deepEqual(
            [...new Set(text.includes('VALUES ($1, $2, 0, $3, $3, 0)') ? [values[0]] : keys)],
            [slotKeyOf(slot)],
          );
        } else {
          assert.match(text, /WHERE slot_key = \$1\b/, label(statement));
          assert.equal(values[0], slotKeyOf(slot), label(statement));
        }
      }
    });
  }

  it('write a row only over an earlier one: by generation, then by version', () => {
    for (const name of ['writeSnapshots', 'writePlayers', 'writeTreasures', 'writeCatalog'])
      for (const statement of (onHunts[name] ?? onCatalog[name])?.() ?? [])
        assert.match(
          statement.text,
          /WHERE (\w+)\.generation < excluded\.generation OR \(\1\.generation = excluded\.generation AND \1\.version < excluded\.version\)$/,
        );
  });

  it('have one name for each number of rows, and no more rows than that in one', () => {
    const rows = Array.from({ length: 2 * statementRowsMax + 37 }, (_, i) => player(`p${i}`));
    assert.deepEqual(
      huntRows.writePlayers(rows).map(({ name }) => name),
      ['hunt_player_128', 'hunt_player_128', 'hunt_player_32', 'hunt_player_4', 'hunt_player_1'],
    );
    assert.deepEqual(huntRows.writePlayers([]), []);
  });

  it('touch a row once: the latest of several', () => {
    const [statement, ...more] = huntRows.writePlayers([
      { ...player('ann'), version: 5, points: 50 },
      { ...player('ann'), version: 9, points: 90 },
      { ...player('ann'), version: 7, points: 70 },
    ]);
    assert.equal(statement?.name, 'hunt_player_1');
    assert.ok(statement.values.includes(90));
    assert.deepEqual(more, []);
  });

  it('refuse rows of two slots in one statement', () => {
    assert.throws(() => huntRows.writeSnapshots([snapshot(hunt), snapshot(hunt + 1)]), /several slots/);
  });

  it('know nothing but the catalog when they list hunts', () => {
    for (const [name, make] of Object.entries(onCatalog))
      for (const { text } of make())
        assert.deepEqual(
          [...new Set(text.match(/\b(?:FROM|INTO|JOIN)\s+(\w+)/g))].map((part) => part.split(/\s+/)[1]),
          ['hunt_catalog'],
          name,
        );
  });
});

/** PostgreSQL's hash of an integer (Bob Jenkins' lookup3, final mix), which Citus distributes by. */
function hashint4(key: number): number {
  const rotated = (word: number, bits: number): number => ((word << bits) | (word >>> (32 - bits))) >>> 0;
  const start = (0x9e3779b9 + 4 + 3_923_095) >>> 0;
  let [a, b, c] = [(start + key) >>> 0, start, start];
  const mix = (into: number, other: number, bits: number): number => ((into ^ other) - rotated(other, bits)) >>> 0;
  c = mix(c, b, 14);
  a = mix(a, c, 11);
  b = mix(b, a, 25);
  c = mix(c, b, 16);
  a = mix(a, c, 4);
  b = mix(b, a, 14);
  c = mix(c, b, 24);
  return c | 0;
}
const rangeOf = (hash: number): number => Math.floor((hash + 2 ** 31) / 2 ** 24);

describe('the key of a slot', () => {
  it('is the smallest number whose hash lies in the range of its shard', () => {
    const found = new Map<number, number>();
    for (let key = 0; found.size < slotCount; key++) {
      const range = rangeOf(hashint4(key));
      if (!found.has(range)) found.set(range, key);
    }
    assert.deepEqual(
      slotKeys,
      Array.from({ length: slotCount }, (_, range) => found.get(range)),
    );
    for (let slot = 0; slot < slotCount; slot++) assert.equal(slotOfKey(slotKeyOf(slot as Slot)), slot);
  });
});

describe('the statements on hunts, asked of PostgreSQL', () => {
  let connection: Connection;
  before(async function () {
    requireServer(this, 'postgres');
    connection = await Connection.open({ url: await freshDatabase() });
    await ensureSchema(connection);
  });
  after(() => connection?.close());

  it('are understood, prepared under their names and executed', async () => {
    for (const [name, make] of all)
      for (const statement of make())
        for (let time = 0; time < 2; time++)
          await assert.doesNotReject(connection.one(statement), `${name}: ${label(statement)}`);
  });

  it('rest on the hash that PostgreSQL itself has', async () => {
    const { rows } = await connection.one({
      text: 'SELECT key, hashint2(key::smallint) AS small, hashint4(key) AS whole FROM unnest($1::integer[]) AS key',
      values: [slotKeys],
    });
    assert.equal(rows.length, slotCount);
    for (const { key, small, whole } of rows) {
      assert.equal(rangeOf(Number(small)), slotOfKey(Number(key)));
      assert.equal(whole, small);
    }
  });

  it('cannot put a hunt into another slot: the table refuses it', async () => {
    const [statement] = huntRows.writeSnapshots([snapshot(hunt + 40 * slotCount)]);
    const values = [slotKeyOf(8 as Slot), ...(statement?.values ?? []).slice(1)];
    await assert.rejects(connection.one({ text: statement?.text ?? '', values }), /hunt_snapshot_slot/);
  });
});
