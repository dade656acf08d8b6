import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { type PostgresServer, postgresServer } from '../cluster/host/servers/postgres-server.ts';
import { requireServer } from '../cluster/host/servers/require-server.ts';
import { slotCount } from '../proto/ids.ts';
import { systemClock } from '../runtime/kernel/clock.ts';
import { systemTimers } from '../runtime/kernel/timer.ts';
import { EmbeddedLog } from '../runtime/log/embedded/client.ts';
import { EmbeddedLogServer } from '../runtime/log/embedded/server.ts';
import { MemoryLog } from '../runtime/log/memory/memory-log.ts';
import { TcpProxy } from '../runtime/log/tcp-proxy.fixture.ts';
import { silentJournal } from './journal.ts';
import { dump, eventually, freshDatabase, LoggedHunt, projectorOf, settled, sql } from './projections.fixture.ts';
import type { Projector, ProjectorState } from './projector.ts';

/** Everything that the log holds, folded from nothing in one go: what the rows must be whatever happened. */
async function straight(log: ConstructorParameters<typeof LoggedHunt>[0]): Promise<Record<string, string[]>> {
  const url = await freshDatabase();
  const projector = projectorOf(log, url);
  await settled(projector);
  await projector.stop();
  return dump(url);
}

describe('rows of hunts', () => {
  const running: Projector[] = [];
  const started = (projector: Projector): Projector => {
    running.push(projector);
    return projector;
  };
  before(function () {
    requireServer(this, 'postgres');
  });
  afterEach(() => Promise.all(running.splice(0).map((projector) => projector.stop())));

  describe('while a projector is killed', () => {
    let folder: string;
    let server: EmbeddedLogServer;
    let log: EmbeddedLog;
    let children: ChildProcess[];
    before(async () => {
      folder = mkdtempSync(join(tmpdir(), 'hunt-projections-'));
      const socketPath = join(folder, 'log.sock');
      server = await EmbeddedLogServer.start({
        dir: folder,
        socketPath,
        sync: 'process',
        clock: systemClock,
        timers: systemTimers,
        logger: silentJournal,
      });
      log = await EmbeddedLog.connect({ socketPath });
    });
    after(async () => {
      await log.close();
      await server.close();
      rmSync(folder, { recursive: true });
    });
    beforeEach(() => {
      children = [];
    });
    afterEach(() => {
      for (const child of children) child.kill('SIGKILL');
    });

    async function child(url: string): Promise<ChildProcess> {
      const options = JSON.stringify({ socketPath: join(folder, 'log.sock'), pgUrls: [url] });
      const forked = fork(fileURLToPath(new URL('./projector-child.fixture.js', import.meta.url)), [options]);
      children.push(forked);
      await new Promise<void>((resolve, reject) => {
        forked.once('message', () => resolve());
        forked.once('exit', (code) => reject(new Error(`the child ended with ${code}`)));
      });
      return forked;
    }
    const stateOf = (one: ChildProcess): Promise<ProjectorState> =>
      new Promise((resolve) => {
        one.once('message', (state) => resolve(state as ProjectorState));
        one.send('state');
      });
    const gone = (one: ChildProcess): Promise<void> =>
      new Promise((resolve) => {
        one.once('exit', () => resolve());
        one.kill('SIGKILL');
      });

    it('lose and double nothing when it dies in the middle of a transaction', async () => {
      const url = await freshDatabase();
      const first = projectorOf(log, url);
      const hunt = await LoggedHunt.create(log, 21);
      await hunt.play(['ann']);
      await settled(first);
      await first.stop();
      const before = await sql(url, 'SELECT position, events FROM projection_checkpoint WHERE slot = 21');

      // Players' rows cannot be written as long as this lock is held: the transaction has begun and cannot end.
      const holder = new pg.Client(url);
      await holder.connect();
      await holder.query('BEGIN; LOCK TABLE hunt_player IN SHARE MODE');
      const victim = await child(url);
      await hunt.play(['bob']);
      await eventually('the transaction to hang', async () => {
        const waiting = await sql(
          url,
          "SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ 'hunt_player'",
        );
        return waiting.length > 0;
      });
      await gone(victim);
      await holder.query('COMMIT');
      await holder.end();
      await eventually('the server to notice', async () => {
        const left = await sql(
          url,
          "SELECT 1 AS n FROM pg_stat_activity WHERE application_name = 'hunt projections' AND datname = current_database()",
        );
        return left.length === 0;
      });
      assert.deepEqual(await sql(url, 'SELECT position, events FROM projection_checkpoint WHERE slot = 21'), before);

      const successor = started(projectorOf(log, url));
      await settled(successor);
      assert.deepEqual(await dump(url), await straight(log));
      const [{ events } = {}] = await sql(url, 'SELECT events FROM projection_checkpoint WHERE slot = 21');
      assert.equal(Number(events), hunt.version);
    });

    it('go on with those who live, who take a fair share of what it had', async () => {
      const url = await freshDatabase();
      const survivor = started(projectorOf(log, url));
      const victim = await child(url);
      await eventually('both to have half of the slots', async () => {
        const state = await stateOf(victim);
        return survivor.state().slots === slotCount / 2 && state.slots === slotCount / 2 && state.projectors === 2;
      });
      const hunts = await Promise.all([30, 31, 32, 33, 34, 35, 36, 37].map((slot) => LoggedHunt.create(log, slot)));
      await Promise.all(hunts.map((hunt) => hunt.play(['ann'])));
      await gone(victim);
      await Promise.all(hunts.map((hunt) => hunt.play(['bob'])));
      await settled(survivor);
      assert.equal(survivor.state().projectors, 1);
      assert.deepEqual(await dump(url), await straight(log));
    });

    it('go on without one that is stopped, and suffer nothing when it wakes up', async function () {
      this.timeout(60_000);
      const url = await freshDatabase();
      const sleeper = await child(url);
      await eventually('it to have all slots', async () => (await stateOf(sleeper)).slots === slotCount);
      const hunt = await LoggedHunt.create(log, 40);
      await hunt.play(['ann']);
      sleeper.kill('SIGSTOP');
      await hunt.play(['bob']);
      const survivor = started(projectorOf(log, url));
      // The server ends the connection of the one that is silent.
      await settled(survivor, 40_000);
      sleeper.kill('SIGCONT');
      await hunt.play(['cy']);
      await eventually('both to have half of the slots', async () => {
        const state = await stateOf(sleeper);
        return survivor.state().slots === slotCount / 2 && state.slots === slotCount / 2;
      });
      await hunt.play(['dan']);
      await gone(sleeper);
      await settled(survivor);
      assert.deepEqual(await dump(url), await straight(log));
    });
  });

  describe('while PostgreSQL is in trouble', () => {
    let server: PostgresServer;
    let url: string;
    let log: MemoryLog;
    let projector: Projector;
    let hunts: LoggedHunt[];
    beforeEach(async function () {
      this.timeout(30_000);
      server = await postgresServer();
      url = await server.database('projections');
      log = new MemoryLog();
      projector = started(projectorOf(log, url));
      hunts = await Promise.all([1, 1, 2, 3].map((slot) => LoggedHunt.create(log, slot)));
      await Promise.all(hunts.map((hunt) => hunt.play(['ann', 'bob'])));
      await settled(projector);
    });
    afterEach(async () => {
      await Promise.all(running.splice(0).map((one) => one.stop()));
      await server.close();
    });
    const play = (name: string) => Promise.all(hunts.map((hunt) => hunt.play([name])));
    const seconds = () => Math.max(...projector.lag().map((lag) => lag.seconds));
    const events = () => projector.lag().reduce((sum, lag) => sum + lag.events, 0);

    it('are late, and say by how much, while it is dead; and are whole when it is back', async function () {
      this.timeout(60_000);
      const before = hunts.reduce((sum, { version }) => sum + version, 0);
      await server.kill();
      await play('cy');
      const missing = hunts.reduce((sum, { version }) => sum + version, 0) - before;
      await eventually(`${missing} events to be counted as missing`, () => events() === missing);
      const then = seconds();
      assert.ok(then > 0);
      await eventually('the seconds to rise', () => seconds() > then + 0.2);
      await server.start();
      await settled(projector, 30_000);
      assert.equal(events(), 0);
      assert.equal(seconds(), 0);
      assert.deepEqual(await dump(url), await straight(log));
    });

    it('are late by as long as it is stopped, and no longer', async function () {
      this.timeout(60_000);
      server.pause();
      const woken = new Promise<void>((resolve) => setTimeout(resolve, 3_000)).then(() => server.resume());
      await play('cy');
      await eventually('the lag to be told', () => events() > 0 && seconds() > 1);
      await woken;
      await settled(projector, 30_000);
      assert.deepEqual(await dump(url), await straight(log));
    });

    it('are whole after kills in the midst of writing', async function () {
      this.timeout(120_000);
      let isPlaying = true;
      const playing = (async () => {
        while (isPlaying) {
          await Promise.all(hunts.map((hunt) => hunt.command('adjust', { player: 'ann', points: 1, reason: 'r' })));
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      const committed = async () =>
        Number((await sql(url, 'SELECT sum(events) AS events FROM projection_checkpoint'))[0]?.events);
      for (let kill = 0; kill < 3; kill++) {
        const from = await committed();
        await eventually('writing to be under way', async () => (await committed()) > from);
        await server.kill();
        await server.start();
      }
      isPlaying = false;
      await playing;
      await settled(projector, 60_000);
      assert.deepEqual(await dump(url), await straight(log));
    });
  });

  it('are written once when the answer to a commit is lost, and when the commit itself is', async function () {
    this.timeout(60_000);
    const direct = await freshDatabase();
    const { port } = new URL(direct);
    const proxy = await TcpProxy.start({ host: '127.0.0.1', port: Number(port) });
    const url = direct.replace(`:${port}/`, `:${proxy.port}/`);
    const log = new MemoryLog();
    const lost = { commits: 0, answers: 0 };
    proxy.filter = (direction) => (chunk) => {
      if (direction !== 'up' || !chunk.includes('COMMIT\0') || lost.commits + lost.answers >= 6) return chunk;
      if (lost.commits > lost.answers) {
        lost.answers++;
        // Delivered; its answer finds nobody.
        setImmediate(() => proxy.cut({ delivers: true }));
        return chunk;
      }
      lost.commits++;
      setImmediate(() => proxy.cut());
      return Buffer.alloc(0);
    };
    const projector = started(projectorOf(log, url));
    const hunt = await LoggedHunt.create(log, 9);
    for (const name of ['ann', 'bob', 'cy', 'dan', 'eve', 'fay']) {
      await hunt.play([name]);
      await settled(projector, 20_000);
    }
    assert.deepEqual(lost, { commits: 3, answers: 3 });
    assert.deepEqual(await dump(direct), await straight(log));
    await projector.stop();
    await proxy.close();
  });

  it('are made again, the same, when somebody drops all tables under a running projector', async function () {
    this.timeout(60_000);
    const url = await freshDatabase();
    const log = new MemoryLog();
    const projector = started(projectorOf(log, url));
    const hunts = await Promise.all([1, 2, 2].map((slot) => LoggedHunt.create(log, slot)));
    await Promise.all(hunts.map((hunt) => hunt.play(['ann', 'bob'])));
    await settled(projector);
    const before = await dump(url);
    await sql(
      url,
      'DROP TABLE hunt_snapshot, hunt_player, hunt_treasure, projection_checkpoint, projection_parked, projection_schema, hunt_catalog',
    );
    await hunts[0]!.act('cy', { type: 'join', name: 'Cy' });
    await settled(projector, 30_000);
    assert.deepEqual(await dump(url), await straight(log));
    assert.deepEqual((await dump(url)).hunt_treasure, before.hunt_treasure);
  });

  it('go on from their checkpoint on a hot standby that is promoted, and nothing is missing', async function () {
    this.timeout(120_000);
    const primary = await postgresServer();
    const url = await primary.database('projections');
    const standby = await primary.replica();
    const there = standby.url.replace(/postgres$/, 'projections');
    try {
      const log = new MemoryLog();
      const projector = started(projectorOf(log, [url, there]));
      const hunts = await Promise.all([1, 2, 2].map((slot) => LoggedHunt.create(log, slot)));
      await Promise.all(hunts.map((hunt) => hunt.play(['ann', 'bob'])));
      await settled(projector);
      await eventually('the standby to have the rows', async () => {
        const rows = await sql(there, 'SELECT sum(events) AS events FROM projection_checkpoint').catch(() => []);
        return Number(rows[0]?.events) === hunts.reduce((sum, { version }) => sum + version, 0);
      });
      // Replication stops: what is written from here on, the standby lacks when it is promoted.
      standby.pause();
      await Promise.all(hunts.map((hunt) => hunt.play(['cy'])));
      await settled(projector);
      await primary.kill();
      standby.resume();
      await Promise.all(hunts.map((hunt) => hunt.play(['dan'])));
      await standby.promote();
      await settled(projector, 60_000);
      assert.deepEqual(await dump(there), await straight(log));

      // The former primary comes back and takes writes, too: nobody writes to it.
      await primary.start();
      await Promise.all(hunts.map((hunt) => hunt.play(['eve'])));
      await projector.stop();
      const late = started(projectorOf(log, [url, there]));
      await settled(late, 30_000);
      assert.deepEqual(await dump(there), await straight(log));
      assert.equal((await sql(url, "SELECT 1 AS n FROM hunt_player WHERE member_id = 'eve'")).length, 0);
    } finally {
      await Promise.all(running.splice(0).map((one) => one.stop()));
      await standby.close();
      await primary.close();
    }
  });
});
