/** What holds the log: without it nobody is acknowledged, and nobody refused for good (I1, I2). */
import { delay, until } from '../deadline.ts';
import type { FaultBed } from './bed.ts';
import { killed, stopped } from './blow.ts';
import { jetStreamFull, liveEventsWait, refusedAppends } from './jetstream-full.ts';
import type { Strike } from './strike.ts';

/** Long enough for everybody to be waiting. */
const awayMs = 1_500;
const relay = 'relay';
const behindMsMax = 9_000;
const actsMeanwhile = 4;
const nobodyPlays = (): Promise<void> => delay(awayMs);

/** Everybody's own actions are accepted; operators are told how long live events have waited. */
async function playBehind(bed: FaultBed): Promise<void> {
  await bed.allPlay(actsMeanwhile);
  await until('GET /v1/cluster to say that the relay is behind', behindMsMax, async () => {
    const { relay } = await bed.lag();
    return (relay?.seconds ?? 0) > 1;
  });
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
  {
    name: 'JetStream full',
    profiles: ['nats'],
    play: 'waits',
    run: (bed) => jetStreamFull(bed, () => refusedAppends(bed)),
  },
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
    name: 'JetStream full',
    profiles: ['kafka'],
    play: 'unnoticed',
    run: (bed) => jetStreamFull(bed, () => liveEventsWait(bed)),
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
    run: (bed) => stopped(bed.role(relay), () => playBehind(bed)),
    after: (bed) => bed.everybodySeesEverything(),
  },
];
