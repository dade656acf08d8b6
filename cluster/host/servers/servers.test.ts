import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import { connect } from 'nats';
import pg from 'pg';
import { kafkaBroker } from './kafka-broker.ts';
import { natsServer } from './nats-server.ts';
import { postgresServer } from './postgres-server.ts';
import { eventually, type PrivateServer } from './private-server.ts';
import { runs } from './process-tree.ts';
import { redisServer } from './redis-server.ts';
import { requireServer } from './require-server.ts';
import { sharedServer } from './shared-server.ts';

describe('private servers', () => {
  const open: PrivateServer[] = [];
  const kept = <S extends PrivateServer>(server: S): S => {
    open.push(server);
    return server;
  };
  after(() => Promise.all(open.map((server) => server.close())));

  it('are NATS with JetStream, whose streams outlive a SIGKILL', async function () {
    requireServer(this, 'nats');
    const nats = kept(await natsServer());
    const before = await connect({ servers: nats.url, reconnect: false });
    const streams = await before.jetstreamManager();
    await streams.streams.add({ name: 'kept', subjects: ['kept.>'] });
    await before.jetstream().publish('kept.1', 'one');
    await before.close();
    await nats.kill();
    assert.equal(runs(nats.pid), false);
    await nats.start();
    const again = await connect({ servers: nats.url });
    assert.equal((await (await again.jetstreamManager()).streams.info('kept')).state.messages, 1);
    await again.close();
  });

  it('are Redis, which is silent while it is paused and begins empty after a SIGKILL unless it appends', async function () {
    requireServer(this, 'redis');
    const [cache, alarms] = await Promise.all([redisServer(), redisServer({ appendOnly: true })]);
    kept(cache);
    kept(alarms);
    for (const [server, kept] of [
      [cache, null],
      [alarms, 'value'],
    ] as const) {
      const client = new Redis(server.url, { retryStrategy: () => 10 });
      await client.set('name', 'value');
      server.pause();
      const reply = client.get('name').then(() => 'answered');
      assert.equal(await Promise.race([reply, new Promise((resolve) => setTimeout(resolve, 200, 'silent'))]), 'silent');
      server.resume();
      assert.equal(await reply, 'answered');
      await server.kill();
      await server.start();
      assert.equal(await client.get('name'), kept);
      client.disconnect();
    }
  });

  it('are PostgreSQL, whose rows outlive a SIGKILL, and a standby that takes over', async function () {
    requireServer(this, 'postgres');
    const primary = kept(await postgresServer());
    const url = await primary.database('hunts');
    const rows = async (at: string, text: string): Promise<unknown[]> => {
      const client = new pg.Client(at);
      await client.connect();
      try {
        return (await client.query(text)).rows;
      } finally {
        await client.end();
      }
    };
    await rows(url, 'CREATE TABLE kept (id int PRIMARY KEY)');
    const standby = kept(await primary.replica());
    await rows(url, 'INSERT INTO kept VALUES (1)');
    await primary.kill();
    await primary.start();
    await rows(url, 'INSERT INTO kept VALUES (2)');
    const there = standby.url.replace(/postgres$/, 'hunts');
    await eventually('both rows on the standby', async () =>
      assert.equal((await rows(there, 'SELECT id FROM kept')).length, 2),
    );
    await assert.rejects(rows(there, 'INSERT INTO kept VALUES (3)'), /read-only/);
    await primary.kill();
    await standby.promote();
    await rows(there, 'INSERT INTO kept VALUES (3)');
    assert.deepEqual(await rows(there, 'SELECT id FROM kept ORDER BY id'), [{ id: 1 }, { id: 2 }, { id: 3 }]);
  });

  it('are Kafka, whose records outlive an end', async function () {
    requireServer(this, 'kafka');
    const broker = kept(await kafkaBroker());
    const kafka = new Kafka({ brokers: [broker.url], logLevel: logLevel.NOTHING });
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 1 }], waitForLeaders: false });
    const producer = kafka.producer();
    await producer.connect();
    await eventually('the topic to have a leader', () =>
      producer.send({ topic: 'kept', acks: -1, messages: [{ value: 'one' }] }).then(() => undefined),
    );
    await broker.stop();
    await broker.start();
    await eventually('the record to be there', async () =>
      assert.equal((await admin.fetchTopicOffsets('kept'))[0]?.offset, '1'),
    );
    await producer.disconnect();
    await admin.disconnect();
  });

  it('are shared by all that ask for a kind, and each asks once', async function () {
    requireServer(this, 'redis');
    const [one, other] = await Promise.all([sharedServer('redis'), sharedServer('redis')]);
    assert.equal(one, other);
    assert.ok(runs(one.pid));
  });

  it('end with a test process that is killed, stopped ones too, and leave no folder', async function () {
    requireServer(this, 'nats');
    requireServer(this, 'redis');
    const child = fork(fileURLToPath(new URL('./servers-child.js', import.meta.url)));
    const servers = await new Promise<{ pid: number; folder: string }[]>((resolve, reject) => {
      child.once('message', (message) => resolve(message as { pid: number; folder: string }[]));
      child.once('exit', (code) => reject(new Error(`the child ended with ${code}`)));
    });
    assert.equal(servers.length, 2);
    assert.ok(servers.every(({ pid, folder }) => runs(pid) && existsSync(folder)));
    child.kill('SIGKILL');
    await eventually('its servers and their folders to be gone', async () => {
      assert.deepEqual(
        servers.filter(({ pid, folder }) => runs(pid) || existsSync(folder)),
        [],
      );
    });
  });

  it('say why they do not start', async function () {
    requireServer(this, 'nats');
    await assert.rejects(natsServer({ config: 'no_such_setting: 1' }), /nats-server ended with 1: .*no_such_setting/s);
  });
});
