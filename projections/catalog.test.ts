import assert from 'node:assert/strict';
import { initialHeader } from '../actors/hunt/actor.ts';
import { statusAt } from '../actors/hunt/state.ts';
import { requireServer } from '../cluster/host/servers/require-server.ts';
import { MemoryLog } from '../runtime/log/memory/memory-log.ts';
import { type HuntListQuery, type ListedHunt, PgHuntCatalog } from './catalog.ts';
import { type CatalogRow, readCatalog, type Status, writeCatalog } from './catalog-rows.ts';
import { Connection } from './connection.ts';
import { freshDatabase, LoggedHunt, projectorOf, settled, sql, testJournal } from './projections.fixture.ts';
import { ensureSchema } from './schema.ts';

/** Figures are measured with as many as the contract has in mind: HUNT_TEST_FIGURES=1. */
const wantsFigures = process.env.HUNT_TEST_FIGURES !== undefined;
const manyHunts = wantsFigures ? 100_000 : 10_000;
const statuses: readonly Status[] = ['draft', 'scheduled', 'open', 'paused', 'closed'];

describe('the list of hunts', () => {
  let url: string;
  let connection: Connection;
  let catalog: PgHuntCatalog;
  let now = 1_000_000;
  const clock = { now: () => now, monotonic: () => now };
  before(async function () {
    requireServer(this, 'postgres');
    url = await freshDatabase();
    connection = await Connection.open({ url });
    await ensureSchema(connection);
  });
  after(() => connection?.close());
  beforeEach(async () => {
    await sql(url, 'DELETE FROM hunt_catalog');
    catalog = new PgHuntCatalog({ pgUrls: [url], clock, journal: testJournal });
  });
  afterEach(() => catalog.close());

  let lastId = 1_000;
  const row = (more: Partial<CatalogRow> = {}): CatalogRow => ({
    huntId: ++lastId,
    generation: 1,
    version: 3,
    title: 'Old Town',
    status: 'open',
    owner: 'dora',
    joinCode: 'K7Q4MX',
    opensAt: undefined,
    closesAt: undefined,
    createdAt: 1,
    players: 7,
    ...more,
  });
  const write = async (...rows: CatalogRow[]) => {
    await connection.run(writeCatalog(rows));
    return rows;
  };
  const list = async (query: Partial<HuntListQuery> = {}): Promise<readonly ListedHunt[]> => {
    const outcome = await catalog.listHunts({ limit: 1_000, ...query });
    assert.equal(outcome.kind, 'page');
    return outcome.kind === 'page' ? outcome.hunts : [];
  };
  const ids = async (query: Partial<HuntListQuery> = {}) => (await list(query)).map(({ hunt_id }) => hunt_id);

  it('shows each hunt as the contract has it, the newest first', async () => {
    const [first, second] = (await write(row({ opensAt: 5, closesAt: 9_000_000 }), row({ owner: 'otto' }))) as [
      CatalogRow,
      CatalogRow,
    ];
    assert.deepEqual(await list(), [
      {
        hunt_id: second.huntId,
        title: 'Old Town',
        status: 'open',
        join_code: 'K7Q4MX',
        players: 7,
        version: 3,
        owner: 'otto',
      },
      {
        hunt_id: first.huntId,
        title: 'Old Town',
        status: 'open',
        join_code: 'K7Q4MX',
        opens_at: 5,
        closes_at: 9_000_000,
        players: 7,
        version: 3,
        owner: 'dora',
      },
    ]);
    assert.deepEqual(await ids({ owner: 'dora' }), [first.huntId]);
  });

  it('says of every status at every time what the rules say, whether an alarm has fired or not, and finds hunts by it', async () => {
    const times = [undefined, 500, 1_500] as const;
    const rows = statuses.flatMap((status) =>
      times.flatMap((opensAt) => times.map((closesAt) => row({ status, opensAt, closesAt }))),
    );
    await write(...rows);
    for (now of [499, 500, 501, 1_000, 1_499, 1_500, 1_501]) {
      const expected = new Map(
        rows.map(({ huntId, status, opensAt, closesAt }) => {
          const header = { ...initialHeader(huntId), status: status as Status, closesAt };
          return [huntId, statusAt({ ...header, rules: { opens: opensAt } as never }, now)];
        }),
      );
      assert.deepEqual(
        new Map((await list()).map(({ hunt_id, status }) => [hunt_id, status]).reverse() as never),
        expected,
      );
      for (const status of statuses) {
        const wanted = [...expected].flatMap(([huntId, one]) => (one === status ? [huntId] : []));
        assert.deepEqual(await ids({ status }), wanted.reverse(), `${status} at ${now}`);
        assert.deepEqual(await ids({ status, owner: 'dora' }), wanted, `${status} of dora at ${now}`);
        assert.deepEqual(await ids({ status, owner: 'otto' }), []);
      }
    }
    now = 1_000_000;
  });

  it('is read page by page: every hunt once, whatever comes to it meanwhile', async () => {
    const rows = await write(...Array.from({ length: 25 }, () => row()));
    const seen: number[] = [];
    let cursor: string | undefined;
    let pages = 0;
    do {
      const page = await catalog.listHunts({ limit: 10, ...(cursor === undefined ? {} : { cursor }) });
      assert.equal(page.kind, 'page');
      if (page.kind !== 'page') return;
      seen.push(...page.hunts.map(({ hunt_id }) => hunt_id));
      cursor = page.next;
      pages++;
      await write(row());
    } while (cursor !== undefined);
    assert.equal(pages, 3);
    assert.deepEqual(seen, rows.map(({ huntId }) => huntId).reverse());
  });

  it('has no next page behind the last hunt', async () => {
    await write(...Array.from({ length: 10 }, () => row()));
    const page = await catalog.listHunts({ limit: 10 });
    assert.equal(page.kind === 'page' && page.next, undefined);
  });

  it('takes no cursor but its own', async () => {
    for (const cursor of [
      'x',
      '',
      'MS4x=',
      Buffer.from('1.-5').toString('base64url'),
      Buffer.from('2.5').toString('base64url'),
    ])
      assert.deepEqual(await catalog.listHunts({ limit: 10, cursor }), { kind: 'bad_cursor' }, cursor);
  });

  it('is searched by title, join code and id, whatever the case and the accents', async () => {
    const [town, mill] = (await write(
      row({ title: 'Müllers Mühle: 100 % Spaß', joinCode: 'AAAAAA' }),
      row({ title: 'The_Mill', joinCode: 'XYZ234' }),
    )) as [CatalogRow, CatalogRow];
    for (const [q, found] of [
      ['muller', [town]],
      ['MÜHLE', [town]],
      ['spass', [town]],
      ['100', [town]],
      ['m', [mill, town]],
      ['xyz2', [mill]],
      [String(mill.huntId), [mill]],
      ['mill aa', []],
      ['the_mill', [mill]],
      ['%', []],
      ['_', []],
      ['\\', []],
      ['nothing of that', []],
    ] as const)
      assert.deepEqual(
        await ids({ q }),
        found.map(({ huntId }) => huntId),
        q,
      );
    assert.deepEqual(await ids({ q: 'm', status: 'open', owner: 'dora' }), [mill.huntId, town.huntId]);
    assert.deepEqual(await ids({ q: ' ' }), [mill.huntId, town.huntId]);
  });

  it('keeps the later state of a hunt when an earlier one comes late', async () => {
    const [one] = (await write(row({ version: 9, title: 'Late' }))) as [CatalogRow];
    await write({ ...one, version: 8, title: 'Early' });
    assert.equal((await list())[0]?.title, 'Late');
    await write({ ...one, generation: 2, version: 1, title: 'Rebuilt' });
    assert.equal((await list())[0]?.title, 'Rebuilt');
  });

  it('cannot be told while PostgreSQL is away, and can when it is back', async () => {
    await write(row());
    const name = url.split('/').at(-1);
    const server = url.replace(/[^/]+$/, 'postgres');
    assert.equal((await catalog.listHunts({ limit: 1 })).kind, 'page');
    await sql(server, `ALTER DATABASE "${name}" ALLOW_CONNECTIONS false`);
    await sql(server, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`);
    try {
      const outcome = await catalog.listHunts({ limit: 1 });
      assert.equal(outcome.kind, 'unavailable');
      assert.match(outcome.kind === 'unavailable' ? outcome.message : '', /PostgreSQL.*does not answer/);
    } finally {
      await sql(server, `ALTER DATABASE "${name}" ALLOW_CONNECTIONS true`);
    }
    assert.equal((await catalog.listHunts({ limit: 1 })).kind, 'page');
    connection = await Connection.open({ url });
  });

  it('becomes right again by itself: what was lost on the way to it, and what should not be in it', async () => {
    const own = await freshDatabase();
    const log = new MemoryLog();
    const first = projectorOf(log, own);
    const hunts = await Promise.all([3, 3, 4].map((slot) => LoggedHunt.create(log, slot)));
    await settled(first);
    const before = await sql(own, 'SELECT * FROM hunt_catalog ORDER BY hunt_id');
    await first.stop();
    // As if each projector had died between a hunt's transaction and the hunt's row in the list.
    await sql(own, 'DELETE FROM hunt_catalog WHERE hunt_id = $1', [hunts[0]!.id]);
    await sql(own, "UPDATE hunt_catalog SET version = 0, title = 'Old' WHERE hunt_id = $1", [hunts[1]!.id]);
    const second = projectorOf(log, own);
    await settled(second);
    assert.deepEqual(await sql(own, 'SELECT * FROM hunt_catalog ORDER BY hunt_id'), before);
    await second.stop();
  });

  it(`finds the first page of ${manyHunts} hunts by an index, whatever is asked`, async function () {
    this.timeout(120_000);
    await sql(
      url,
      `INSERT INTO hunt_catalog (hunt_id, slot, generation, version, title, status, owner, join_code, opens_at, closes_at, created_at, players, search)
        SELECT id, id % 256, 1, 5, title, (ARRAY['closed','closed','closed','open','scheduled','draft','paused'])[1 + id % 7], 'd' || id % 500,
          code, to_timestamp(1000), CASE WHEN id % 3 = 0 THEN to_timestamp(9000000) END, to_timestamp(0), 70, lower(title || ' ' || code) || ' ' || id
        FROM (SELECT id, 'Hunt of the ' || md5(id::text) AS title, upper(substr(md5('c' || id), 1, 6)) AS code FROM generate_series(1, ${manyHunts}) AS id) AS made`,
    );
    await sql(url, 'ANALYZE hunt_catalog');
    const asked: Record<string, Partial<HuntListQuery>> = {
      everything: {},
      'of one designer': { owner: 'd7' },
      'the open ones': { status: 'open' },
      'the closed ones': { status: 'closed' },
      'scheduled ones, of which there are none by now': { status: 'scheduled' },
      'the paused ones of one designer': { owner: 'd7', status: 'paused' },
      'a common word': { q: 'hunt' },
      'a rare word': { q: 'c4ca4238a0b9' },
      'a word that no hunt has': { q: 'zzzzzz' },
    };
    now = 2_000_000;
    for (const [what, query] of Object.entries(asked)) {
      const took: number[] = [];
      for (let i = 0; i < 15; i++) {
        const began = performance.now();
        await list({ limit: 100, ...query });
        took.push(performance.now() - began);
      }
      const median = took.sort((a, b) => a - b)[7] as number;
      if (wantsFigures)
        console.log(`      ${what}: median ${median.toFixed(2)} ms, worst ${took.at(-1)?.toFixed(2)} ms`);
      const { text, values } = readCatalog({ limit: 100, at: now, ...(query as object) });
      const plan = await connection.one({ text: `EXPLAIN ${text}`, values });
      const lines = plan.rows.map((line) => String(Object.values(line)[0])).join('\n');
      // A few thousand rows are read through sooner than an index of trigrams is.
      if (wantsFigures || query.q === undefined) assert.doesNotMatch(lines, /Seq Scan/, `${what}\n${lines}`);
      // Under load, on a shared machine; measured alone it is a fraction of this.
      assert.ok(median < 60, `${what}: the first page took ${median} ms`);
    }
    now = 1_000_000;
  });
});
