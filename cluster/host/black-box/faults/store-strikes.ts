/** PostgreSQL and the projector: none of them is on the path of play (I10), and all that they hold is disposable (I8). */
import assert from 'node:assert/strict';
import { until } from '../deadline.ts';
import type { FaultBed } from './bed.ts';
import { killed, stopped } from './blow.ts';
import { withPostgres } from './stored-rows.ts';
import { type Away, everywhere, type Strike } from './strike.ts';

const projector = 'p1';
const lockedMsMax = 10_000;
/** Of everybody, while something is away that play does not need. */
const actsMeanwhile = 4;
const tablesMin = 6;

const playOn = (bed: FaultBed) => (): Promise<void> => bed.allPlay(actsMeanwhile);

/** Lists cannot be had, which is said as what it is; people play on. */
const playWithoutLists = (bed: FaultBed) => async (): Promise<void> => {
  const [list] = await Promise.all([
    bed.cluster.call('GET', '/v1/hunts', { token: bed.cluster.tokens.operator }),
    bed.allPlay(actsMeanwhile),
  ]);
  assert.equal(list.status, 503, `a list was answered ${list.status}: ${list.text.slice(0, 200)}`);
};

/** Its transaction waits for a lock that we hold: it is killed in the middle of one for certain. */
async function killedInTransaction(bed: FaultBed): Promise<Away> {
  return await withPostgres(bed.postgres.url, async (holder) => {
    await holder.query('BEGIN; LOCK TABLE hunt_snapshot IN SHARE MODE');
    // Asked by somebody else: within a transaction the answer would stay the same.
    const waiting = await withPostgres(bed.postgres.url, (looker) =>
      until('a transaction of the projector to wait for the lock', lockedMsMax, async () => {
        const { rows } = await looker.query<{ waiting: number }>(
          `SELECT count(*)::int AS waiting FROM pg_stat_activity
           WHERE wait_event_type = 'Lock' AND query LIKE '%hunt_snapshot%' AND xact_start IS NOT NULL`,
        );
        return rows[0]?.waiting;
      }),
    );
    const away = await killed(bed.role(projector), async () => {
      await holder.query('ROLLBACK');
      await bed.allPlay(actsMeanwhile);
    });
    return { ...away, proof: `${away.proof}, ${waiting} transactions under way` };
  });
}

/** Every table goes at once; the projector makes them again by itself, and an operator fills them from the log. */
async function tablesDropped(bed: FaultBed): Promise<Away> {
  const awayAt = performance.now();
  const dropped = await withPostgres(bed.postgres.url, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT quote_ident(relname) AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
    );
    const names = rows.map(({ name }) => name);
    assert.ok(names.length >= tablesMin, `only ${names.length} tables were there`);
    // Whoever is in a transaction just then may be in its way, and PostgreSQL ends one of the two.
    await until('all tables to be dropped', lockedMsMax, async () => {
      await client.query(`DROP TABLE ${names.join(', ')} CASCADE`);
      return true;
    });
    return names.length;
  });
  await bed.allPlay(actsMeanwhile);
  const awayUntil = performance.now();
  const rebuilt = await bed.hunt<{ hunts: number; events: number }>('projections', 'rebuild', '--all');
  assert.equal(rebuilt.code, 0, rebuilt.stderr);
  const { hunts, events } = rebuilt.answer;
  assert.ok(hunts >= bed.hunts.length, JSON.stringify(rebuilt.answer));
  return {
    awayAt,
    awayUntil,
    backAt: performance.now(),
    proof: `${dropped} tables dropped; ${hunts} hunts, ${events} events rebuilt`,
  };
}

export const storeStrikes: readonly Strike[] = [
  {
    name: 'PostgreSQL killed',
    profiles: everywhere,
    brief: ['embedded'],
    play: 'unnoticed',
    run: (bed) => killed(bed.postgres, playWithoutLists(bed)),
  },
  {
    name: 'PostgreSQL stopped for 10 s',
    profiles: everywhere,
    play: 'unnoticed',
    run: (bed) => stopped(bed.postgres, playWithoutLists(bed)),
  },
  {
    name: 'projector killed in a transaction',
    profiles: everywhere,
    brief: ['embedded'],
    play: 'unnoticed',
    run: killedInTransaction,
  },
  {
    name: 'projector stopped for 10 s',
    profiles: everywhere,
    play: 'unnoticed',
    run: (bed) => stopped(bed.role(projector), playOn(bed)),
  },
  {
    name: 'all tables dropped and rebuilt',
    profiles: everywhere,
    brief: ['embedded'],
    play: 'unnoticed',
    run: tablesDropped,
  },
];
