import assert from 'node:assert/strict';
import { requireServer } from '../cluster/host/servers/require-server.ts';
import type { Position, Slot } from '../proto/ids.ts';
import { MemoryLog } from '../runtime/log/memory/memory-log.ts';
import { PgHuntCatalog } from './catalog.ts';
import { Connection } from './connection.ts';
import { LagReader } from './lag-reader.ts';
import { noProjectionMetrics } from './metrics.ts';
import { Primary } from './primary.ts';
import {
  dump,
  eventually,
  freshDatabase,
  LoggedHunt,
  projectorOf,
  settled,
  sql,
  systemParts,
  testJournal,
} from './projections.fixture.ts';
import type { Projector } from './projector.ts';
import { RebuildFault, type RebuildOptions, rebuildAll, requestRebuild } from './rebuild.ts';
import { rebuildHunt } from './rebuild-hunt.ts';

const optionsOf = (log: RebuildOptions['log'], url: string): RebuildOptions => ({
  log,
  pgUrls: [url],
  ...systemParts,
  metrics: noProjectionMetrics,
  journal: testJournal,
});

describe('rebuilding', () => {
  let url: string;
  let log: MemoryLog;
  let projector: Projector | undefined;
  let hunts: LoggedHunt[];
  before(function () {
    requireServer(this, 'postgres');
  });
  beforeEach(async () => {
    url = await freshDatabase();
    log = new MemoryLog();
    projector = projectorOf(log, url);
    hunts = await Promise.all([5, 5, 6, 7].map((slot) => LoggedHunt.create(log, slot)));
    await Promise.all(hunts.map((hunt) => hunt.play(['ann', 'bob'])));
    await settled(projector);
  });
  afterEach(async () => {
    await projector?.stop();
  });
  const stop = async () => {
    await projector?.stop();
    projector = undefined;
  };
  const total = () => hunts.reduce((sum, { version }) => sum + version, 0);

  it('makes the same rows from nothing, byte for byte, when all tables were dropped', async () => {
    await stop();
    const before = await dump(url);
    await sql(url, `DROP TABLE ${Object.keys(before).join(', ')}`);
    const result = await rebuildAll(optionsOf(log, url));
    const after = await dump(url, { generations: false });
    const plain = Object.fromEntries(
      Object.entries(before).map(([table, lines]) => [table, lines.map(withoutGenerations).sort()]),
    );
    assert.deepEqual(after, plain);
    assert.equal(result.hunts, 4);
    assert.equal(result.events, total());
  });

  it('replaces whatever the rows say, with and without a projector beside it, and takes away what the log does not know', async () => {
    const before = await dump(url, { generations: false });
    for (const alone of [false, true]) {
      if (alone) await stop();
      await sql(url, "UPDATE hunt_snapshot SET title = 'Wrong', players = 99");
      await sql(url, "UPDATE hunt_player SET points = -1, row = '\\x00'");
      await sql(url, "UPDATE hunt_catalog SET title = 'Wrong', search = 'wrong'");
      await sql(url, 'UPDATE hunt_treasure SET claimed = 99');
      await sql(
        url,
        "INSERT INTO hunt_player SELECT slot_key, hunt_id, 'ghost', generation, version, kind, 'Ghost', team, presence, banned, ranked, points, reached_version, stages_done, stages_settled, hints, claims, joined_at, finished_at, updated_at, row FROM hunt_player WHERE member_id = 'ann'",
      );
      await sql(
        url,
        "INSERT INTO hunt_catalog SELECT hunt_id - 256, slot, generation, version, 'Gone', status, owner, join_code, opens_at, closes_at, created_at, players, 'gone' FROM hunt_catalog WHERE slot = 7",
      );
      const seen: number[] = [];
      const result = await rebuildAll(optionsOf(log, url), ({ done }) => seen.push(done));
      assert.equal(result.events, total());
      assert.equal(seen.at(-1), 1);
      assert.deepEqual(
        seen,
        [...seen].sort((a, b) => a - b),
      );
      // The list of the slots of the other one follows by itself.
      if (projector !== undefined) await settled(projector);
      assert.deepEqual(await dump(url, { generations: false }), before);
    }
  });

  it('goes on while people play, and the list never shows an earlier state', async () => {
    const catalog = new PgHuntCatalog({ pgUrls: [url], clock: systemParts.clock, journal: testJournal });
    const shown = new Map<number, number>();
    const backwards: string[] = [];
    let isPlaying = true;
    const playing = (async () => {
      for (let i = 0; isPlaying; i++) {
        await Promise.all(hunts.map((hunt) => hunt.command('adjust', { player: 'ann', points: 1, reason: `r${i}` })));
        const page = await catalog.listHunts({ limit: 10 });
        assert.equal(page.kind, 'page');
        if (page.kind !== 'page') return;
        if (page.hunts.length < 4) backwards.push(`${page.hunts.length} hunts`);
        for (const { hunt_id, version } of page.hunts) {
          if (version < (shown.get(hunt_id) ?? 0)) backwards.push(`${hunt_id}: ${version} after ${shown.get(hunt_id)}`);
          shown.set(hunt_id, version);
        }
      }
    })();
    await rebuildAll(optionsOf(log, url));
    await rebuildAll(optionsOf(log, url));
    isPlaying = false;
    await playing;
    await catalog.close();
    assert.deepEqual(backwards, []);
    await settled(projector as Projector);
    const rebuilt = await dump(url, { generations: false });
    await stop();
    const other = await freshDatabase();
    projector = projectorOf(log, other);
    await settled(projector);
    assert.deepEqual(rebuilt, await dump(other, { generations: false }));
  });

  it('is finished by the projectors when whoever asked for it dies', async () => {
    await stop();
    await sql(url, "UPDATE hunt_snapshot SET title = 'Wrong'");
    await requestRebuild({ log }, new Primary([url]));
    const [row] = await sql(url, 'SELECT count(*) AS n FROM projection_checkpoint WHERE rebuild_to IS NOT NULL');
    assert.equal(Number(row?.n), 256);
    projector = projectorOf(log, url);
    await settled(projector);
    assert.deepEqual(await sql(url, "SELECT 1 AS n FROM hunt_snapshot WHERE title = 'Wrong'"), []);
    assert.deepEqual(await sql(url, 'SELECT 1 AS n FROM projection_checkpoint WHERE rebuild_to IS NOT NULL'), []);
  });

  it('changes nothing when the history is not there', async () => {
    await stop();
    const before = await dump(url);
    await log.trim(5 as Slot, 2 as Position);
    await assert.rejects(rebuildAll(optionsOf(log, url)), (error: unknown) => {
      assert.ok(error instanceof RebuildFault);
      assert.match(error.message, /history of slot 5 before position 2 is neither in the log nor in the archive/);
      return true;
    });
    await assert.rejects(
      rebuildHunt(optionsOf(log, url), hunts[0]!.id),
      /before version \d+ are neither in the log nor in the archive.*nothing was changed/,
    );
    await assert.rejects(rebuildHunt(optionsOf(log, url), 77), /there is no hunt 77 in the log/);
    assert.deepEqual(await dump(url), before);
  });

  describe('one hunt', () => {
    it('makes its rows anew beside the others, while people play it', async () => {
      const [hunt] = hunts as [LoggedHunt];
      await sql(url, "UPDATE hunt_snapshot SET title = 'Wrong' WHERE hunt_id = $1", [hunt.id]);
      await sql(url, "UPDATE hunt_catalog SET title = 'Wrong' WHERE hunt_id = $1", [hunt.id]);
      await sql(url, "UPDATE hunt_player SET name = 'Wrong' WHERE hunt_id = $1", [hunt.id]);
      await sql(
        url,
        "INSERT INTO hunt_treasure SELECT slot_key, hunt_id, 'ghost', generation, version, title, points, stage, stock, claimed, found, released, defined, opens_at, updated_at FROM hunt_treasure WHERE treasure_id = 'box' AND hunt_id = $1",
        [hunt.id],
      );
      const playing = hunt.play(['cy', 'dan']);
      const result = await rebuildHunt(optionsOf(log, url), hunt.id);
      await playing;
      assert.equal(result.hunts, 1);
      await settled(projector as Projector);
      const rebuilt = await dump(url, { generations: false });
      assert.deepEqual(rebuilt.projection_parked, []);
      await stop();
      const other = await freshDatabase();
      projector = projectorOf(log, other);
      await settled(projector);
      assert.deepEqual(rebuilt, await dump(other, { generations: false }));
    });

    it('takes a parked one back', async () => {
      const [hunt] = hunts as [LoggedHunt];
      await stop();
      await sql(url, "UPDATE hunt_snapshot SET header = '\\xc1' WHERE hunt_id = $1", [hunt.id]);
      projector = projectorOf(log, url);
      await hunt.act('ann', { type: 'finish' });
      await settled(projector);
      assert.equal(projector.state().parked.length, 1);
      await rebuildHunt(optionsOf(log, url), hunt.id);
      await eventually('nobody to be parked', () => projector?.state().parked.length === 0);
      await hunt.command('adjust', { player: 'ann', points: 7, reason: 'r' });
      await settled(projector);
      assert.deepEqual(await sql(url, 'SELECT version FROM hunt_snapshot WHERE hunt_id = $1', [hunt.id]), [
        { version: String(hunt.version) },
      ]);
    });

    it('leaves one parked that cannot be folded at all, as of the event before', async () => {
      const [hunt] = hunts as [LoggedHunt];
      const sound = hunt.version;
      await hunt.append([Buffer.from([0x0a])], 1);
      await settled(projector as Projector);
      await sql(url, "UPDATE hunt_snapshot SET title = 'Wrong' WHERE hunt_id = $1", [hunt.id]);
      await assert.rejects(
        rebuildHunt(optionsOf(log, url), hunt.id),
        new RegExp(`stays parked at version ${sound + 1}`),
      );
      assert.deepEqual(await sql(url, 'SELECT title, version FROM hunt_snapshot WHERE hunt_id = $1', [hunt.id]), [
        { title: 'Every way', version: String(sound) },
      ]);
      const lag = new LagReader({ log, pgUrls: [url], ...systemParts });
      const { parked } = await lag.report();
      lag.close();
      assert.deepEqual(
        parked.map(({ huntId, kind, version }) => ({ huntId, kind, version })),
        [{ huntId: hunt.id, kind: 'poison', version: sound + 1 }],
      );
    });
  });
});

/** Nobody listens there: it is no port for servers. */
const unreachable = 'postgres://127.0.0.1:1/none';

describe('the lag, told from outside', () => {
  before(function () {
    requireServer(this, 'postgres');
  });

  it('counts what is in the log and not in the rows, slot by slot, also when no projector lives and when PostgreSQL is away', async () => {
    const url = await freshDatabase();
    const log = new MemoryLog();
    const projector = projectorOf(log, url);
    const hunt = await LoggedHunt.create(log, 9);
    await settled(projector);
    const settledAt = hunt.version;
    const reader = new LagReader({ log, pgUrls: [url], ...systemParts });
    assert.deepEqual(await reader.readLag(), { events: 0, seconds: 0, worst_slot: 0 });
    await projector.stop();
    await hunt.play(['ann']);
    const missing = hunt.version - settledAt;
    const { slots, fault } = await reader.report();
    assert.equal(fault, undefined);
    assert.equal(slots.length, 256);
    const [{ slot, events, seconds } = {}] = slots.filter((lag) => lag.events > 0);
    assert.deepEqual([slot, events], [9, missing]);
    // The events say that they happened in June.
    assert.ok(Number(seconds) > 0);
    await eventually('the summary to be asked for again', async () => {
      const summary = await reader.readLag();
      return summary.events === missing && summary.worst_slot === 9 && summary.seconds > 0;
    });
    await sql(url.replace(/[^/]+$/, 'postgres'), `ALTER DATABASE "${url.split('/').at(-1)}" ALLOW_CONNECTIONS false`);
    await sql(
      url.replace(/[^/]+$/, 'postgres'),
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${url.split('/').at(-1)}'`,
    );
    await hunt.play(['bob']);
    const stale = await reader.report();
    assert.match(
      stale.fault ?? '',
      /^PostgreSQL does not answer \(.+\): counted from the rows as they were \d+ s ago$/,
    );
    assert.equal(stale.slots.find((lag) => lag.slot === 9)?.events, hunt.version - settledAt);
    reader.close();
  });

  it('counts on while PostgreSQL takes the question and does not answer, and says that it does not', async () => {
    const url = await freshDatabase();
    const log = new MemoryLog();
    const projector = projectorOf(log, url);
    const hunt = await LoggedHunt.create(log, 9);
    await settled(projector);
    await projector.stop();
    const settledAt = hunt.version;
    const reader = new LagReader({ log, pgUrls: [url], ...systemParts });
    await reader.readLag();
    const holder = await Connection.open({ url });
    try {
      await holder.run([
        { text: 'BEGIN', values: [] },
        { text: 'LOCK TABLE projection_checkpoint IN ACCESS EXCLUSIVE MODE', values: [] },
      ]);
      for (const player of ['ann', 'bob']) {
        await hunt.play([player]);
        await eventually('the summary to have counted', async () => {
          const { events, fault } = await reader.readLag();
          return (
            events === hunt.version - settledAt &&
            /^PostgreSQL does not answer: counted from the rows as they were \d+ s ago$/.test(fault ?? '')
          );
        });
      }
    } finally {
      holder.close();
    }
    await eventually('the summary to be of now', async () => (await reader.readLag()).fault === undefined);
    reader.close();
  });

  it('says that it does not know, where PostgreSQL has never answered', async () => {
    const reader = new LagReader({ log: new MemoryLog(), pgUrls: [unreachable], ...systemParts });
    const { events, fault } = await reader.readLag();
    assert.equal(events, 0);
    assert.match(fault ?? '', /^PostgreSQL does not answer .*how far the rows are behind is not known$/);
    await assert.rejects(reader.report(), /ECONNREFUSED/);
    reader.close();
  });

  it('says that the rows are of another log, and what to do', async () => {
    const url = await freshDatabase();
    const log = new MemoryLog();
    const projector = projectorOf(log, url, { logName: 'embedded here 1' });
    await LoggedHunt.create(log, 9);
    await settled(projector);
    await projector.stop();
    const reader = new LagReader({ log, pgUrls: [url], ...systemParts, logName: () => 'embedded here 2' });
    assert.match((await reader.readLag()).fault ?? '', /"embedded here 1".+"hunt projections rebuild --all"/);
    reader.close();
  });
});

function withoutGenerations(line: string): string {
  const { generation: _, base_generation: __, ...row } = JSON.parse(line) as Record<string, unknown>;
  return JSON.stringify(row);
}
