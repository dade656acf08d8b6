import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { kafkaBroker } from '../servers/kafka-broker.ts';
import { natsServer } from '../servers/nats-server.ts';
import type { PrivateServer } from '../servers/private-server.ts';
import { ClusterProcess } from './cluster-process.ts';
import { Crowd } from './crowd.ts';
import { type Profile, profiles, requireProfile, sharedServersEnv } from './profile-servers.ts';

/** The promise is 3 s on a machine of its own (benchmarks/failover.ts measures it); here others run at the same time. */
const waitMsMax = 15_000;
const hunts = 6;
const huntEntry = fileURLToPath(new URL('../../cli/hunt.js', import.meta.url));

for (const profile of profiles) crashesOn(profile);

function crashesOn(profile: Profile): void {
  describe(`a cluster whose processes are killed under load, profile ${profile}`, function () {
    this.timeout(180_000);
    let logServer: { readonly server: PrivateServer; readonly env: Readonly<Record<string, string>> } | undefined;
    let cluster: ClusterProcess;
    let crowd: Crowd;

    before(async function () {
      requireProfile(this, profile);
      logServer = await privateLog(profile);
      const env = { ...(await sharedServersEnv(profile)), ...logServer?.env };
      cluster = await ClusterProcess.start({ nodes: 3, gateways: 2, env });
      crowd = await Crowd.gather(cluster, { hunts, perHunt: 2, everyMs: 250 });
    });
    after(async () => {
      await crowd?.stop();
      await cluster?.stopAndRemove();
      await logServer?.server.close();
    });

    for (const victim of ['a node', 'a gateway', ...(profile === 'embedded' ? ['the log'] : [])]) {
      it(`goes on when ${victim} is killed, and starts it again under its name`, async () => {
        await crowd.allAckedSince(performance.now());
        const killed = cluster.kill(await nameOf(victim));
        await crowd.allAckedSince(performance.now(), waitMsMax);
        const again = await cluster.respawned(killed);
        assert.equal(again.restarts, killed.restarts + 1);
        assert.deepEqual([again.http, again.grpc], [killed.http, killed.grpc], 'it keeps its ports');
        await crowd.allAckedSince(performance.now(), waitMsMax);
      });
    }

    if (profile !== 'embedded')
      it('goes on when the server of its log is killed and started again', async () => {
        await crowd.allAckedSince(performance.now());
        const server = logServer?.server as PrivateServer;
        await server.kill();
        await server.start();
        await crowd.allAckedSince(performance.now(), waitMsMax);
      });

    it('starts again on its folder after everything was killed at once', async () => {
      const key = cluster.tokenKey;
      const { hunt } = crowd.members[0] as Crowd['members'][number];
      await cluster.killEverything();
      await cluster.restart();
      assert.deepEqual(cluster.tokenKey, key, 'the token key is kept');
      await crowd.allAckedSince(performance.now(), waitMsMax);
      assert.ok((await cluster.history(hunt.hunt_id)).length > 0);
    });

    it('has lost nothing, doubled nothing, refused nobody and left no hole on any wire', async () => {
      const { acts, reconnects } = await crowd.judge();
      assert.ok(acts > 100, `only ${acts} acts`);
      assert.ok(reconnects > 0, 'nobody had to reconnect, so nothing was proved');
    });

    it('finds no fault when its log is verified', () => {
      const verified = spawnSync(
        process.execPath,
        [huntEntry, 'log', 'verify', '--json', '--data-dir', cluster.dataDir],
        {
          env: { ...process.env, ...cluster.options.env },
          encoding: 'utf8',
        },
      );
      assert.equal(verified.status, 0, verified.stderr);
      const report = JSON.parse(verified.stdout) as { ok: boolean; hunts: number };
      assert.equal(report.ok, true, verified.stdout);
      assert.ok(report.hunts >= hunts, verified.stdout);
    });

    async function nameOf(victim: string): Promise<string> {
      if (victim === 'the log') return 'log';
      return victim === 'a gateway' ? 'g1' : await cluster.ownerOf(crowd.members[0]?.hunt.slot ?? 0);
    }
  });
}

/** Of the test's own, to be killed. */
async function privateLog(profile: Profile) {
  if (profile === 'embedded') return undefined;
  const server = profile === 'nats' ? await natsServer() : await kafkaBroker();
  return { server, env: { [profile === 'nats' ? 'HUNT_NATS_URL' : 'HUNT_KAFKA_BROKERS']: server.url } };
}
