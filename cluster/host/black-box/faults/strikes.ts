/**
 * What is done to a cluster's servers and processes while people play, and what must be true around it. Each strike leaves
 * everything running again. `brief`: part of `npm test`; all of them run in faults.chaos.ts.
 */
import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import { connect } from 'nats';
import pg from 'pg';
import type { PrivateServer } from '../../servers/private-server.ts';
import { delay, until } from '../deadline.ts';
import type { Profile } from '../profile-servers.ts';
import type { FaultBed } from './bed.ts';

export interface Strike {
  readonly name: string;
  readonly profiles: readonly Profile[];
  readonly brief: boolean;
  run(bed: FaultBed): Promise<void>;
}

const everywhere: readonly Profile[] = ['embedded', 'nats', 'kafka'];
const onServers: readonly Profile[] = ['nats', 'kafka'];
const stoppedMs = 10_000;
const projector = 'p1';

/** Players wait while the log is away, and go on. */
async function killed(bed: FaultBed, server: PrivateServer): Promise<void> {
  await server.kill();
  await server.start();
  await bed.playsOn();
}

async function stopped(bed: FaultBed, server: PrivateServer): Promise<void> {
  server.pause();
  try {
    await delay(stoppedMs);
  } finally {
    server.resume();
  }
  await bed.playsOn();
}

/** As {@link killed}, for what play does not need: people play on while it is away, and nobody notices. */
async function killedUnnoticed(bed: FaultBed, server: PrivateServer): Promise<void> {
  await server.kill();
  await bed.playsOn();
  await server.start();
  await bed.playsOn();
  bed.assertUnnoticed();
}

async function stoppedUnnoticed(bed: FaultBed, server: PrivateServer): Promise<void> {
  await stopped(bed, server);
  bed.assertUnnoticed();
}

/** One of our own processes. */
async function processStopped(bed: FaultBed, name: string): Promise<void> {
  const row = bed.cluster.kill(name, 'SIGSTOP');
  try {
    await delay(stoppedMs);
  } finally {
    process.kill(row.pid, 'SIGCONT');
  }
  await bed.playsOn();
}

async function flush(server: PrivateServer): Promise<void> {
  const client = new Redis(server.url);
  try {
    await client.flushall();
  } finally {
    client.disconnect();
  }
}

async function withPostgres<T>(bed: FaultBed, run: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(bed.servers.postgres.url);
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await run(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Its transactions wait for a lock that we hold: it is killed in the middle of one for certain. */
async function projectorKilledInTransaction(bed: FaultBed): Promise<void> {
  await withPostgres(bed, async (holder) => {
    await holder.query('BEGIN; LOCK TABLE hunt_snapshot IN SHARE MODE');
    // Asked by somebody else: within a transaction the answer would stay the same.
    await withPostgres(bed, (looker) =>
      until('a transaction of the projector to wait for the lock', 10_000, async () => {
        const { rows } = await looker.query(
          `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%hunt_snapshot%'`,
        );
        return rows.length > 0;
      }),
    );
    const row = bed.cluster.kill(projector);
    await holder.query('ROLLBACK');
    await bed.cluster.respawned(row);
  });
  await bed.playsOn();
  bed.assertUnnoticed();
  await bed.projectionsCatchUp();
}

/** Everything in the store is disposable (I8): the projector makes the tables again, and fills them from the log. */
async function tablesDropped(bed: FaultBed): Promise<void> {
  await withPostgres(bed, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT quote_ident(relname) AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
    );
    assert.ok(rows.length >= 5, `only ${rows.length} tables were there`);
    await client.query(`DROP TABLE ${rows.map(({ name }) => name).join(', ')} CASCADE`);
  });
  await bed.playsOn();
  bed.assertUnnoticed();
  const rebuilt = await bed.hunt<{ hunts: number; events: number }>('projections', 'rebuild', '--all');
  assert.equal(rebuilt.code, 0, rebuilt.stderr);
  assert.ok(rebuilt.answer.hunts >= 7, JSON.stringify(rebuilt.answer));
  await bed.projectionsCatchUp();
}

const junkBytes = 256 * 1024;

/** Another stream of the account takes all of JetStream's disk. Players wait, and go on when there is room again. */
async function jetStreamFull(bed: FaultBed): Promise<void> {
  const client = await connect({ servers: bed.servers.nats.url });
  const manager = await client.jetstreamManager();
  const junk = 'JUNK';
  await manager.streams.add({ name: junk, subjects: ['junk'] });
  const publish = client.jetstream();
  try {
    await until('JetStream to be full', 60_000, async () => {
      try {
        await Promise.all(Array.from({ length: 32 }, () => publish.publish('junk', new Uint8Array(junkBytes))));
        return false;
      } catch {
        return true;
      }
    });
    await delay(3_000);
  } finally {
    await manager.streams.delete(junk);
    await client.close();
  }
  await bed.playsOn();
}

export const strikes: readonly Strike[] = [
  {
    name: 'PostgreSQL is killed and started again',
    profiles: everywhere,
    brief: true,
    run: async (bed) => {
      await killedUnnoticed(bed, bed.servers.postgres);
      await bed.projectionsCatchUp();
    },
  },
  {
    name: 'PostgreSQL is stopped for 10 s',
    profiles: everywhere,
    brief: false,
    run: async (bed) => {
      await stoppedUnnoticed(bed, bed.servers.postgres);
      await bed.projectionsCatchUp();
    },
  },
  {
    name: 'the projector is killed in the middle of a transaction',
    profiles: everywhere,
    brief: true,
    run: projectorKilledInTransaction,
  },
  {
    name: 'the projector is stopped for 10 s',
    profiles: everywhere,
    brief: false,
    run: async (bed) => {
      await processStopped(bed, projector);
      bed.assertUnnoticed();
      await bed.projectionsCatchUp();
    },
  },
  { name: 'all tables of the projections are dropped', profiles: everywhere, brief: true, run: tablesDropped },
  {
    name: "the scoreboards' Redis is flushed",
    profiles: onServers,
    brief: true,
    run: async (bed) => {
      await bed.boardsAgree();
      await flush(bed.servers.cacheRedis);
      await bed.boardsAgree();
      bed.assertUnnoticed();
    },
  },
  {
    name: "the scoreboards' Redis is killed and started again",
    profiles: onServers,
    brief: true,
    run: async (bed) => {
      await bed.servers.cacheRedis.kill();
      await bed.boardsAgree();
      await bed.servers.cacheRedis.start();
      await bed.boardsAgree();
      bed.assertUnnoticed();
    },
  },
  {
    name: "the scoreboards' Redis is stopped for 10 s",
    profiles: onServers,
    brief: false,
    run: async (bed) => {
      bed.servers.cacheRedis.pause();
      try {
        await bed.boardsAgree();
        await delay(stoppedMs);
      } finally {
        bed.servers.cacheRedis.resume();
      }
      await bed.boardsAgree();
      bed.assertUnnoticed();
    },
  },
  {
    name: "the alarms' Redis is flushed",
    profiles: onServers,
    brief: true,
    run: async (bed) => {
      await flush(bed.servers.alarmRedis);
      await bed.bells.rungSince(bed.now);
      bed.assertUnnoticed();
    },
  },
  {
    name: "the alarms' Redis is killed and started again",
    profiles: onServers,
    brief: true,
    run: async (bed) => {
      await bed.servers.alarmRedis.kill();
      await bed.bells.rungSince(bed.now);
      await bed.servers.alarmRedis.start();
      await bed.bells.rungSince(bed.now);
      bed.assertUnnoticed();
    },
  },
  {
    name: "the alarms' Redis is stopped for 10 s",
    profiles: onServers,
    brief: false,
    run: async (bed) => {
      await stoppedUnnoticed(bed, bed.servers.alarmRedis);
      await bed.bells.rungSince(bed.now);
    },
  },
  {
    name: 'nats-server is killed and started again',
    profiles: onServers,
    brief: true,
    run: async (bed) => {
      await killed(bed, bed.servers.nats);
      await bed.projectionsCatchUp();
    },
  },
  {
    name: 'nats-server is stopped for 10 s',
    profiles: onServers,
    brief: false,
    run: (bed) => stopped(bed, bed.servers.nats),
  },
  { name: 'JetStream is full', profiles: ['nats'], brief: false, run: jetStreamFull },
  {
    name: 'the Kafka broker is killed and started again',
    profiles: ['kafka'],
    brief: true,
    run: async (bed) => {
      await killed(bed, bed.servers.kafka);
      await bed.projectionsCatchUp();
    },
  },
  {
    name: 'the Kafka broker is stopped for 10 s',
    profiles: ['kafka'],
    brief: false,
    run: (bed) => stopped(bed, bed.servers.kafka),
  },
  {
    name: 'the relay is killed',
    profiles: ['kafka'],
    brief: true,
    run: async (bed) => {
      const row = bed.cluster.kill('relay');
      await bed.playsOn();
      await bed.cluster.respawned(row);
      await bed.everybodySeesEverything();
      bed.assertUnnoticed();
    },
  },
  {
    name: 'the relay is stopped for 10 s',
    profiles: ['kafka'],
    brief: false,
    run: async (bed) => {
      await processStopped(bed, 'relay');
      await bed.everybodySeesEverything();
      bed.assertUnnoticed();
    },
  },
  {
    name: 'the log process is stopped for 10 s',
    profiles: ['embedded'],
    brief: false,
    run: (bed) => processStopped(bed, 'log'),
  },
];
