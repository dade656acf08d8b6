/** What holds the log: without it nobody is acknowledged, and nobody refused for good (I1, I2). */
import { connect } from 'nats';
import { delay, until } from '../deadline.ts';
import type { FaultBed } from './bed.ts';
import { killed, stopped } from './blow.ts';
import type { Away, Strike } from './strike.ts';

/** Long enough for everybody to be waiting. */
const awayMs = 1_500;
const relay = 'relay';
const actsMeanwhile = 4;
const nobodyPlays = (): Promise<void> => delay(awayMs);

/** JetStream's whole storage is taken by somebody else's stream, in messages that leave no room for a small one either. */
const junkStream = 'JUNK';
const junkBytes = [256 * 1024, 4 * 1024, 64] as const;
const junkAtOnce = 16;
const fullMsMax = 60_000;
const refusedMsMax = 20_000;
const fullMs = 3_000;

/** Appends are refused as long as it lasts; what was read before can be read still. */
async function jetStreamFull(bed: FaultBed): Promise<Away> {
  const client = await connect({ servers: bed.servers.nats.url });
  try {
    const manager = await client.jetstreamManager();
    const publish = client.jetstream();
    await manager.streams.add({ name: junkStream, subjects: ['junk'] });
    const fill = (bytes: number): Promise<unknown> =>
      Promise.all(Array.from({ length: junkAtOnce }, () => publish.publish('junk', new Uint8Array(bytes))));
    let refusal = '';
    for (const bytes of junkBytes)
      await until(`JetStream to have no room for ${bytes} bytes`, fullMsMax, () =>
        fill(bytes).then(
          () => false,
          (error: Error) => {
            refusal = error.message;
            return true;
          },
        ),
      );
    const awayAt = performance.now();
    await until('an append to be refused', refusedMsMax, () =>
      bed.crowd.members.some(({ player }) => player.ledger.at(-1)?.replies.some(({ kind }) => kind === 'nack')),
    );
    for (const hunt of bed.hunts) if ((await bed.history(hunt)).length === 0) throw new Error('nothing can be read');
    await delay(fullMs);
    const awayUntil = performance.now();
    await manager.streams.delete(junkStream);
    return { awayAt, awayUntil, backAt: performance.now(), proof: `JetStream: ${refusal}` };
  } finally {
    await client.close();
  }
}

export const logStrikes: readonly Strike[] = [
  {
    name: 'log process killed',
    profiles: ['embedded'],
    play: 'waits',
    run: (bed) => killed(bed.role('log'), async () => undefined),
  },
  {
    name: 'log process stopped for 10 s',
    profiles: ['embedded'],
    play: 'waits',
    run: (bed) => stopped(bed.role('log'), nobodyPlays),
  },
  {
    name: 'nats-server killed',
    profiles: ['nats'],
    brief: ['nats'],
    play: 'waits',
    run: (bed) => killed(bed.servers.nats, nobodyPlays),
  },
  {
    name: 'nats-server stopped for 10 s',
    profiles: ['nats'],
    play: 'waits',
    run: (bed) => stopped(bed.servers.nats, nobodyPlays),
  },
  { name: 'JetStream full', profiles: ['nats'], play: 'waits', run: jetStreamFull },
  // There the log is Kafka's; JetStream carries live events, the view and the pages.
  {
    name: 'nats-server killed',
    profiles: ['kafka'],
    play: 'unnoticed',
    run: (bed) => killed(bed.servers.nats, () => bed.allPlay(actsMeanwhile)),
    after: (bed) => bed.everybodySeesEverything(),
  },
  {
    name: 'nats-server stopped for 10 s',
    profiles: ['kafka'],
    play: 'unnoticed',
    run: (bed) => stopped(bed.servers.nats, () => bed.allPlay(actsMeanwhile)),
    after: (bed) => bed.everybodySeesEverything(),
  },
  {
    name: 'Kafka broker killed',
    profiles: ['kafka'],
    brief: ['kafka'],
    play: 'waits',
    run: (bed) => killed(bed.servers.kafka, nobodyPlays),
    after: (bed) => bed.everybodySeesEverything(),
  },
  {
    name: 'Kafka broker stopped for 10 s',
    profiles: ['kafka'],
    play: 'waits',
    run: (bed) => stopped(bed.servers.kafka, nobodyPlays),
    after: (bed) => bed.everybodySeesEverything(),
  },
  {
    name: 'relay killed',
    profiles: ['kafka'],
    brief: ['kafka'],
    play: 'unnoticed',
    run: (bed) => killed(bed.role(relay), () => bed.allPlay(actsMeanwhile)),
    after: (bed) => bed.everybodySeesEverything(),
  },
  {
    name: 'relay stopped for 10 s',
    profiles: ['kafka'],
    play: 'unnoticed',
    run: (bed) => stopped(bed.role(relay), () => bed.allPlay(actsMeanwhile)),
    after: (bed) => bed.everybodySeesEverything(),
  },
];
