import assert from 'node:assert/strict';
import { huntActor } from '../actors/hunt/actor.ts';
import { teams } from '../actors/hunt/sample-hunts.ts';
import { requireServer } from '../cluster/host/servers/require-server.ts';
import type { Position, Slot, Version } from '../proto/ids.ts';
import { slotCount } from '../proto/ids.ts';
import type { EventLog } from '../runtime/log/event-log.ts';
import { MemoryLog } from '../runtime/log/memory/memory-log.ts';
import { type ProjectionMetric, type ProjectionMetrics, projectionMetrics } from './metrics.ts';
import { dump, eventually, freshDatabase, LoggedHunt, projectorOf, settled, sql } from './projections.fixture.ts';
import type { Projector } from './projector.ts';

/** A log that gives a few records at a time, so that a hunt is folded in many batches. */
const inSmallPages = (log: MemoryLog): Pick<EventLog, 'ends' | 'readSlot'> => ({
  ends: () => log.ends(),
  readSlot: (slot, from) => log.readSlot(slot, from, 700),
});

class Gauges implements ProjectionMetrics {
  readonly values = new Map<string, number>();
  count(name: ProjectionMetric, by: number, label = ''): void {
    assert.equal(projectionMetrics[name].kind, 'counter');
    const key = label === '' ? name : `${name}/${label}`;
    this.values.set(key, (this.values.get(key) ?? 0) + by);
  }
  gauge(name: ProjectionMetric, value: number): void {
    assert.equal(projectionMetrics[name].kind, 'gauge');
    this.values.set(name, value);
  }
  observe(name: ProjectionMetric): void {
    assert.equal(projectionMetrics[name].kind, 'histogram');
  }
}

describe('a projector', () => {
  const running: Projector[] = [];
  const started = (projector: Projector): Projector => {
    running.push(projector);
    return projector;
  };
  before(function () {
    requireServer(this, 'postgres');
  });
  afterEach(() => Promise.all(running.splice(0).map((projector) => projector.stop())));

  it('writes what people did into rows that people can read', async () => {
    const url = await freshDatabase();
    const log = new MemoryLog();
    const projector = started(projectorOf(log, url));
    const hunt = await LoggedHunt.create(log, 7);
    await hunt.play(['ann', 'bob']);
    await settled(projector);

    const [snapshot] = await sql(
      url,
      `SELECT version, title, status, owner, join_code, entry, players, entrants, teams, definition_version,
        definition::json ->> 'title' AS defined, created_at = '2026-06-06 10:00:00Z' AS created, opens_at < created_at AS opened
        FROM hunt_snapshot WHERE hunt_id = $1`,
      [hunt.id],
    );
    assert.deepEqual(snapshot, {
      version: String(hunt.version),
      title: 'Every way',
      status: 'open',
      owner: 'dora',
      join_code: 'ABCDEF',
      entry: 'solo',
      players: '2',
      entrants: '2',
      teams: '0',
      definition_version: '1',
      defined: 'Every way',
      created: 't',
      opened: 't',
    });
    const board = await sql(
      url,
      `SELECT member_id AS id, name, points, reached_version, presence, stages_done, hints, claims FROM hunt_player
        WHERE hunt_id = $1 AND ranked ORDER BY points DESC, reached_version`,
      [hunt.id],
    );
    assert.deepEqual(
      board.map(({ id, name, points, reached_version }) => [id, name, Number(points), Number(reached_version)]),
      hunt.spec.board.entries.map(({ player, name, points, reached_version }) => [
        player,
        name,
        points,
        reached_version,
      ]),
    );
    assert.deepEqual(
      [board[0]?.presence, board[0]?.stages_done, board[0]?.hints, board[0]?.claims],
      ['joined', '4', '1', '2'],
    );
    assert.deepEqual(
      await sql(url, 'SELECT treasure_id, claimed, stock, found FROM hunt_treasure ORDER BY treasure_id'),
      [
        { treasure_id: 'box', claimed: '0', stock: null, found: 'f' },
        { treasure_id: 'chest', claimed: '2', stock: '5', found: 't' },
        { treasure_id: 'coin', claimed: '2', stock: '2', found: 't' },
      ],
    );
    const [checkpoint] = await sql(url, 'SELECT position, events FROM projection_checkpoint WHERE slot = 7');
    assert.deepEqual(checkpoint, { position: String((await log.ends())[7]), events: String(hunt.version) });
  });

  it('writes teams beside players, and what voiding and publishing change', async () => {
    const url = await freshDatabase();
    const log = new MemoryLog();
    const projector = started(projectorOf(log, url));
    const hunt = await LoggedHunt.create(log, 8, { definition: teams });
    await hunt.act('ann', { type: 'join', name: 'Ann' });
    await hunt.act('ann', { type: 'create_team', name: 'Reds' });
    await hunt.act('ann', { type: 'answer', clue: 'q1', text: '4' });
    await settled(projector);
    const read = () => sql(url, 'SELECT kind, team, points, ranked FROM hunt_player ORDER BY kind');
    const team = (await read())[1]?.team;
    assert.deepEqual(await read(), [
      { kind: 'player', team, points: '0', ranked: 'f' },
      { kind: 'team', team, points: '10', ranked: 't' },
    ]);
    await hunt.command('void', { version: hunt.spec.versionsOf('StageCompleted')[0], reason: 'r' });
    await hunt.command('disqualify', { team, reason: 'r' });
    const { checkDefinition } = await import('../actors/hunt/definition.ts');
    const next = checkDefinition({ ...teams, title: 'Teams again', treasures: [{ id: 'gem', title: 'Gem' }] });
    assert.ok(next.ok);
    await hunt.command('publish', { definition: next.definition });
    await settled(projector);
    assert.deepEqual((await read())[1], { kind: 'team', team, points: '0', ranked: 'f' });
    assert.deepEqual(await sql(url, 'SELECT title, definition_version FROM hunt_snapshot'), [
      { title: 'Teams again', definition_version: '2' },
    ]);
    assert.deepEqual(await sql(url, 'SELECT treasure_id, defined FROM hunt_treasure'), [
      { treasure_id: 'gem', defined: 't' },
    ]);
    assert.deepEqual(await sql(url, 'SELECT title FROM hunt_catalog'), [{ title: 'Teams again' }]);
  });

  it('makes the same rows, byte for byte, whatever the batches and however often it was interrupted', async () => {
    const log = new MemoryLog();
    const hunts = await Promise.all([3, 3, 9].map((slot) => LoggedHunt.create(log, slot)));
    const [whole, piecewise] = await Promise.all([freshDatabase(), freshDatabase()]);
    for (const [i, names] of [
      ['ann', 'bob'],
      ['cy', 'dan'],
      ['ann', 'eve'],
    ].entries()) {
      await Promise.all(hunts.map((hunt) => hunt.play(names)));
      if (i === 1) await hunts[0]!.command('pause', { reason: 'r' });
      if (i === 1) await hunts[0]!.command('resume', {});
      // Each time another projector, which begins with the rows of the one before.
      const projector = projectorOf(inSmallPages(log), piecewise);
      await settled(projector);
      await projector.stop();
    }
    await settled(started(projectorOf(log, whole)));
    assert.deepEqual(await dump(piecewise), await dump(whole));
    assert.ok((await dump(whole)).hunt_player!.length >= 12);
  });

  it('passes over other kinds of actors, and takes part of what is new at once', async () => {
    const url = await freshDatabase();
    const log = new MemoryLog();
    const projector = started(projectorOf(log, url));
    await settled(projector);
    const writer = await log.take(11 as Slot, 1);
    for (let i = 0; i < 3; i++)
      await writer.append({ kind: 'key', id: slotCount + 11 }, i as Version, 1, Buffer.from('not a hunt'));
    await settled(projector);
    const [checkpoint] = await sql(url, 'SELECT position, events FROM projection_checkpoint WHERE slot = 11');
    assert.deepEqual(checkpoint, { position: '3', events: '0' });
    assert.deepEqual((await dump(url)).hunt_snapshot, []);
  });

  describe('that meets a hunt which it cannot fold', () => {
    it('parks it where everybody sees it, keeps its rows as they were, and goes on with the others', async () => {
      const url = await freshDatabase();
      const log = new MemoryLog();
      const metrics = new Gauges();
      const projector = started(projectorOf(log, url, { metrics }));
      const bad = await LoggedHunt.create(log, 5);
      const good = await LoggedHunt.create(log, 5);
      await bad.play(['ann']);
      const sound = bad.version;
      // An event of a type that only a newer release knows: field 99 of the message.
      const unknown = Buffer.concat([
        huntActor.events.encode({ ...bad.spec.events[0]!, version: sound + 1, outcome: undefined } as never),
        Buffer.from([0x9a, 0x06, 0x00]),
      ]);
      await bad.append([unknown], 1);
      await bad.append([unknown], 1);
      await good.play(['bob']);
      await settled(projector);

      assert.deepEqual(
        await sql(url, 'SELECT hunt_id, kind, version, reason ~ $1 AS why FROM projection_parked', [
          'newer|release|not know',
        ]),
        [{ hunt_id: String(bad.id), kind: 'poison', version: String(sound + 1), why: 't' }],
      );
      assert.deepEqual(await sql(url, 'SELECT hunt_id, version FROM hunt_snapshot ORDER BY hunt_id'), [
        { hunt_id: String(bad.id), version: String(sound) },
        { hunt_id: String(good.id), version: String(good.version) },
      ]);
      const [checkpoint] = await sql(url, 'SELECT position, events FROM projection_checkpoint WHERE slot = 5');
      assert.equal(Number(checkpoint?.events), sound + 2 + good.version);
      assert.deepEqual(
        projector.state().parked.map(({ huntId }) => huntId),
        [bad.id],
      );
      await eventually('the metric to show it', () => metrics.values.get('hunt_projection_parked') === 1);
      assert.deepEqual(
        projector.lag().filter(({ events }) => events > 0),
        [],
      );
    });

    it('finds out by itself when the rows, not the log, are at fault, and says so', async () => {
      const url = await freshDatabase();
      const log = new MemoryLog();
      const first = projectorOf(log, url);
      const hunt = await LoggedHunt.create(log, 6);
      await hunt.play(['ann']);
      await settled(first);
      await first.stop();
      await sql(url, "UPDATE hunt_snapshot SET header = '\\xc1'");
      await hunt.act('bob', { type: 'join', name: 'Bob' });
      const projector = started(projectorOf(log, url));
      await settled(projector);
      assert.deepEqual(
        projector.state().parked.map(({ huntId }) => huntId),
        [hunt.id],
      );
    });

    it('parks a hunt whose values the table refuses, alone', async () => {
      const url = await freshDatabase();
      const log = new MemoryLog();
      const first = projectorOf(log, url);
      await settled(first);
      await first.stop();
      await sql(url, "ALTER TABLE hunt_player ADD CONSTRAINT not_eve CHECK (name <> 'EVE')");
      const bad = await LoggedHunt.create(log, 6);
      const good = await LoggedHunt.create(log, 6);
      await bad.play(['ann']);
      await good.play(['ann']);
      await bad.play(['eve']);
      await good.play(['bob']);
      const projector = started(projectorOf(log, url));
      await settled(projector);
      const [parked] = projector.state().parked;
      assert.equal(parked?.huntId, bad.id);
      assert.match(parked?.reason ?? '', /not_eve/);
      assert.deepEqual(await sql(url, 'SELECT version FROM hunt_snapshot WHERE hunt_id = $1', [good.id]), [
        { version: String(good.version) },
      ]);
    });
  });

  describe('whose log is not the one of its rows', () => {
    it('says that it ends before them, and what to do', async () => {
      const url = await freshDatabase();
      const log = new MemoryLog();
      const first = projectorOf(log, url);
      await (await LoggedHunt.create(log, 5)).play(['ann']);
      await settled(first);
      await first.stop();
      const projector = started(projectorOf(new MemoryLog(), url));
      await eventually('the fault', () => projector.state().faults.length > 0);
      const [fault] = projector.state().faults;
      assert.equal(fault?.slot, 5);
      assert.match(fault?.message ?? '', /another log, or has lost its end.*hunt projections rebuild --all/);
    });

    it('says that what it must read is gone, and what to do', async () => {
      const url = await freshDatabase();
      const log = new MemoryLog();
      await (await LoggedHunt.create(log, 5)).play(['ann']);
      await log.trim(5 as Slot, 4 as Position);
      const other = await LoggedHunt.create(log, 6);
      const projector = started(projectorOf(log, url));
      await eventually('the fault', () => projector.state().faults.length > 0);
      assert.match(
        projector.state().faults[0]?.message ?? '',
        /no further back than 4|reaches further back than 4.*restore the archive/,
      );
      await eventually('other slots to go on', async () => {
        const rows = await sql(url, 'SELECT hunt_id FROM hunt_snapshot');
        return rows[0]?.hunt_id === String(other.id);
      });
    });

    it('refuses rows that were made from a log of another name', async () => {
      const url = await freshDatabase();
      const first = projectorOf(new MemoryLog(), url, { logName: 'one' });
      await settled(first);
      await first.stop();
      const projector = started(projectorOf(new MemoryLog(), url, { logName: 'two' }));
      await eventually('the fault', () => projector.state().schemaFault !== undefined);
      assert.match(projector.state().schemaFault ?? '', /made from the log "one", and this is "two"/);
    });
  });

  it('reads only the rows of those who did something', async () => {
    const url = await freshDatabase();
    const log = new MemoryLog();
    const hunt = await LoggedHunt.create(log, 4);
    for (let i = 0; i < 40; i++) await hunt.act(`p${i}`, { type: 'join', name: `P${i}` });
    const first = projectorOf(log, url);
    await settled(first);
    await first.stop();
    await hunt.act('p7', { type: 'check_in', lat: 48.2, lon: 16.37, accuracy: 5 });
    // Everybody else's row is made unreadable: whoever reads it, fails.
    await sql(url, "UPDATE hunt_player SET row = '\\xc1' WHERE member_id <> 'p7'");
    const projector = started(projectorOf(log, url));
    await settled(projector);
    assert.deepEqual(projector.state().parked, []);
    assert.deepEqual(await sql(url, "SELECT points FROM hunt_player WHERE member_id = 'p7'"), [{ points: '100' }]);
  });
});
