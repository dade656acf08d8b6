/**
 * The disk of the embedded log is full, for real, while people play. Segments are small here, so that little play fills the last
 * one; the next one would be of full size, for which the disk has no room.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../runtime/kernel/clock.ts';
import { systemTimers } from '../../../runtime/kernel/timer.ts';
import { EmbeddedLogServer } from '../../../runtime/log/embedded/server.ts';
import { callHttp } from './bare-http.ts';
import { ClusterProcess } from './cluster-process.ts';
import { Crowd } from './crowd.ts';
import { until } from './deadline.ts';
import { meadow } from './definitions.ts';
import { Seat } from './seat.ts';
import { SmallDisk, whyNoDisk } from './small-disk.ts';

const segmentBytes = 256 * 1024;
/** One player asks again and again. */
const unlimited = { HUNT_RATE_PLAYER: '0', HUNT_RATE_SOCKET: '0' };
const tooSmallMiB = 24;
const roomyMiB = 256;
const treasuresOfALargeHunt = 400;
const refusedMs = 20_000;
const saidMs = 10_000;
const againMs = 20_000;

describe('a full disk under the embedded log', function () {
  this.timeout(90_000);
  let dataDir: string;
  let disk: SmallDisk;
  let cluster: ClusterProcess;
  let crowd: Crowd;

  before(async function () {
    dataDir = mkdtempSync(join(tmpdir(), 'hunt-full-'));
    const why = whyNoDisk(join(dataDir, 'log'));
    if (why !== undefined) {
      console.error(`skipped: a full disk under the embedded log: ${why}`);
      return this.skip();
    }
    disk = SmallDisk.mount(join(dataDir, 'log'), tooSmallMiB);
    await makeLog(join(dataDir, 'log'), join(dataDir, 'first.sock'));
    cluster = await ClusterProcess.start({ dataDir, nodes: 1, env: unlimited });
    crowd = await Crowd.gather(cluster, { hunts: 2, perHunt: 2, everyMs: 200 });
  });
  after(async () => {
    await crowd?.stop();
    await cluster?.stop();
    disk?.unmount();
    rmSync(dataDir, { recursive: true, force: true });
  });

  const failing = async (name: string): Promise<string[]> => {
    const { json } = await callHttp(cluster.process(name).http as string, 'GET', '/readyz');
    return (json as { checks: { name: string; ok: boolean; detail?: string }[] }).checks
      .filter(({ ok }) => !ok)
      .map((check) => `${check.name}: ${check.detail}`);
  };
  const metric = async (name: string): Promise<number> =>
    Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(await cluster.metrics('log'))?.[1]);

  it('refuses appends with words and to be sent again, tells operators, serves reads, and ends no process', async () => {
    disk.fill();
    const { hunt } = crowd.members[0] as Crowd['members'][number];
    const late = await Seat.take(cluster, hunt.hunt_id, 'late');
    let seq = 0;
    await Promise.all([
      until('a hunt to be refused', refusedMs, async () => {
        const { status, text } = await cluster.call('POST', '/v1/hunts', { body: meadow(treasuresOfALargeHunt) });
        return status === 503 && /"BUSY"/.test(text) && /"retryable":true/.test(text);
      }),
      until('a player to be refused', refusedMs, async () => {
        // Whatever still finds room has its effect, and the next one needs room of its own.
        const reply = await late.act(++seq % 2 === 1 ? { type: 'join', name: 'Late' } : { type: 'leave' }, seq);
        return reply.t === 'nack' && reply.code === 'BUSY' && reply.retryable;
      }),
    ]);
    late.socket.close();
    await until('/readyz of the log to say it', saidMs, async () =>
      /^log: .*no space left on device.*free space on its disk/.test((await failing('log')).join()),
    );
    await until('/readyz of the node to say it', saidMs, async () =>
      (await failing('n1')).some((check) => /^appends: full: .*free space/.test(check)),
    );
    assert.equal(await metric('hunt_log_full'), 1);
    assert.ok((await metric('hunt_log_free_bytes')) < segmentBytes);
    assert.ok((await cluster.history(hunt.hunt_id)).length > 0);
    assert.equal(cluster.restarts(), 0, 'a process ended');
  });

  it('starts on the full disk, and is refused and read as before', async () => {
    assert.equal(await cluster.stop(), 0);
    await cluster.restart();
    const { hunt } = crowd.members[0] as Crowd['members'][number];
    assert.ok((await cluster.history(hunt.hunt_id)).length > 0);
    await until('the log to refuse again', refusedMs, async () => (await metric('hunt_log_full')) === 1);
    assert.equal(cluster.restarts(), 0, 'a process ended');
  });

  it('goes on by itself when there is space, and nothing that was acknowledged is lost or done twice', async () => {
    disk.free();
    disk.resize(roomyMiB);
    await crowd.allAckedSince(performance.now(), againMs);
    assert.equal(await metric('hunt_log_full'), 0);
    assert.deepEqual(await failing('log'), []);
    await crowd.judge();
    assert.equal(cluster.restarts(), 0, 'a process ended');
  });
});

/** As the log process would make it, but of small segments; it goes on in these, and makes the next ones of full size. */
async function makeLog(dir: string, socketPath: string): Promise<void> {
  const say = (): void => {};
  const server = await EmbeddedLogServer.start({
    dir,
    socketPath,
    sync: 'power',
    clock: systemClock,
    timers: systemTimers,
    logger: { info: say, warn: say, error: say },
    segmentBytes,
  });
  // It ends when the next segment is made.
  await server.close();
}
