import assert from 'node:assert/strict';
import { checkDefinition, type HuntDefinition } from '../../actors/hunt/definition.ts';
import { eventCodec } from '../../actors/hunt/event.ts';
import { HuntSpec } from '../../actors/hunt/hunt-spec.ts';
import { everyWay } from '../../actors/hunt/sample-hunts.ts';
import { slotOf } from '../../proto/ids.ts';
import { encodeRecord } from '../../runtime/activation/record.ts';
import { systemClock } from '../../runtime/kernel/clock.ts';
import { systemTimers } from '../../runtime/kernel/timer.ts';
import { MemoryLog } from '../../runtime/log/memory/memory-log.ts';
import { Problem } from '../admin/problem.ts';
import { ShadowDesk } from './shadow-desk.ts';

const definitionOf = (value: object): HuntDefinition => {
  const parsed = checkDefinition(value);
  assert.ok(parsed.ok);
  return parsed.definition;
};
const refusedAs = (code: string) => (error: unknown) => error instanceof Problem && error.code === code;

describe('the shadow desk', function () {
  this.timeout(60_000);
  const log = new MemoryLog();
  const hunt = HuntSpec.of(everyWay);
  let desk: ShadowDesk;
  before(async () => {
    hunt.ok('ann', { type: 'join' });
    for (let i = 0; i < 1_000; i++) {
      hunt.ok('ann', { type: 'leave' });
      hunt.ok('ann', { type: 'join' });
    }
    hunt.ok('ann', { type: 'claim', treasure: 'box', code: 'OPEN-7' });
    const writer = await log.take(slotOf(hunt.id), 1);
    for (let at = 0; at < hunt.version; ) {
      const events = hunt.events.slice(at, at === 0 ? 2 : at + 1).map((event) => eventCodec.encode(event));
      const outcome = await writer.append(
        { kind: 'hunt', id: hunt.id },
        at as never,
        events.length,
        encodeRecord(events, 1, 'n1@1'),
      );
      assert.equal(outcome.kind, 'appended', JSON.stringify(outcome));
      at += events.length;
    }
    desk = new ShadowDesk(log, systemClock, systemTimers);
  });
  after(() => desk.close());

  it('runs the log, page after page, on its thread', async () => {
    assert.deepEqual(await desk.run(hunt.id, definitionOf(everyWay)), {
      events: hunt.version,
      differences: [],
      more: 0,
      ranks: [],
    });
    const treasures = everyWay.treasures.map((one) => (one.id === 'box' ? { ...one, code: 'OTHER' } : one));
    const report = await desk.run(hunt.id, definitionOf({ ...everyWay, treasures }));
    assert.deepEqual(report.differences, [
      {
        version: hunt.version,
        player: 'ann',
        was: 'TreasureClaimed',
        would_be: 'WRONG_CODE',
        points_was: 6,
        points_would_be: 0,
      },
    ]);
  });

  it('refuses what it cannot run by a catalogued problem, and goes on', async () => {
    const definition = definitionOf(everyWay);
    await assert.rejects(desk.run(99, definition), refusedAs('HUNT_NOT_FOUND'));
    const short = new ShadowDesk(log, systemClock, systemTimers, 100);
    await assert.rejects(short.run(hunt.id, definition), refusedAs('TOO_LARGE'));
    short.close();
    await assert.rejects(short.run(hunt.id, definition), refusedAs('BUSY'));
    const writer = await log.take(slotOf(7), 1);
    await writer.append({ kind: 'hunt', id: 7 }, 0 as never, 1, Buffer.from([0x0a, 0x7f, 1]));
    await assert.rejects(desk.run(7, definition), refusedAs('HUNT_UNREADABLE'));
    const six = await Promise.allSettled(Array.from({ length: 6 }, () => desk.run(hunt.id, definition)));
    assert.deepEqual(
      six.map((one) => (one.status === 'fulfilled' ? 'done' : (one.reason as Problem).code)),
      ['done', 'done', 'done', 'done', 'done', 'BUSY'],
    );
  });
});
