import assert from 'node:assert/strict';
import { requireServer } from '../cluster/host/servers/require-server.ts';
import { MemoryLog } from '../runtime/log/memory/memory-log.ts';
import { dump, freshDatabase, LoggedHunt, projectorOf, settled, sql } from './projections.fixture.ts';
import type { Projector } from './projector.ts';

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
    const [snapshot] = await sql(url, 'SELECT * FROM hunt_snapshot');
    assert.equal(snapshot?.title, 'Every way');
    console.log(
      snapshot,
      await sql(url, 'SELECT * FROM hunt_player'),
      await sql(url, 'SELECT * FROM hunt_treasure'),
      await sql(url, 'SELECT * FROM hunt_catalog'),
    );
    console.log(Object.values(await dump(url)).map((x) => x.length));
  });
});
