/**
 * JetStream's whole storage is taken by somebody else's stream, first in large messages and then in ones that leave no room for a
 * small one either; then that stream goes.
 */
import assert from 'node:assert/strict';
import { connect, type NatsConnection } from 'nats';
import { callHttp } from '../bare-http.ts';
import type { Member } from '../crowd.ts';
import { delay, until } from '../deadline.ts';
import { Seat } from '../seat.ts';
import type { FaultBed } from './bed.ts';
import type { Away } from './strike.ts';

const junkStream = 'JUNK';
const junkBytes = [256 * 1024, 4 * 1024, 64] as const;
const junkAtOnce = 16;
const fullMsMax = 60_000;
const refusedMsMax = 20_000;
const fullMs = 3_000;
const actsMeanwhile = 4;

/** `meanwhile` says what it saw. */
export async function jetStreamFull(bed: FaultBed, meanwhile: () => Promise<string>): Promise<Away> {
  const junk = await JetStreamJunk.fill(bed.servers.nats.url);
  try {
    const awayAt = performance.now();
    const proof = await meanwhile();
    const awayUntil = performance.now();
    await junk.free();
    return { awayAt, awayUntil, backAt: performance.now(), proof };
  } finally {
    await junk.close();
  }
}

/** A stream that takes all the room there is left. Owns a connection. */
export class JetStreamJunk {
  private constructor(private readonly client: NatsConnection) {}

  /** Resolves when not even a small message finds room. */
  static async fill(url: string): Promise<JetStreamJunk> {
    const client = await connect({ servers: url, maxReconnectAttempts: -1 });
    try {
      const manager = await client.jetstreamManager();
      await manager.streams.add({ name: junkStream, subjects: ['junk'] });
      for (const bytes of junkBytes) await fill(client, bytes);
      return new JetStreamJunk(client);
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  async free(): Promise<void> {
    const manager = await this.client.jetstreamManager();
    await manager.streams.delete(junkStream);
  }

  close(): Promise<void> {
    return this.client.close();
  }
}

/** Appends are refused as long as it lasts, which players and operators are told; what was read before can be read still. */
export async function refusedAppends(bed: FaultBed): Promise<string> {
  const { hunt } = bed.crowd.members[0] as Member;
  const late = await Seat.take(bed.cluster, hunt.hunt_id, 'late');
  const refused = await until('a player to be refused', refusedMsMax, async () => {
    const reply = await late.act({ type: 'join', name: 'Late' }, 1);
    return reply.t === 'nack' ? reply : undefined;
  });
  assert.ok(refused.retryable, JSON.stringify(refused));
  await until('/readyz of a node to say that appends are refused', refusedMsMax, async () =>
    (await failingChecks(bed)).some((check) => check.startsWith('appends: full')),
  );
  for (const id of bed.hunts) assert.ok((await bed.history(id)).length > 0, 'nothing can be read');
  await delay(fullMs);
  late.socket.close();
  return `"${refused.code} ${refused.message}"`;
}

/** The relay cannot write, so nobody sees what others do; everybody's own actions are accepted. */
export async function liveEventsWait(bed: FaultBed): Promise<string> {
  await bed.allPlay(actsMeanwhile);
  const cursors = (): string => bed.crowd.members.map(({ player }) => player.judge.cursor).join();
  const before = cursors();
  await delay(fullMs);
  if (cursors() !== before) throw new Error('the fault did not happen: live events go on');
  await bed.allPlay(actsMeanwhile);
  return `no live event for ${fullMs / 1_000} s`;
}

/** Until JetStream has no room for so many bytes. */
async function fill(client: NatsConnection, bytes: number): Promise<void> {
  const publish = client.jetstream();
  await until(`JetStream to have no room for ${bytes} bytes`, fullMsMax, () =>
    Promise.all(Array.from({ length: junkAtOnce }, () => publish.publish('junk', new Uint8Array(bytes)))).then(
      () => false,
      () => true,
    ),
  );
}

async function failingChecks(bed: FaultBed): Promise<string[]> {
  const nodes = bed.cluster.file().processes.filter(({ role }) => role === 'node');
  const answers = await Promise.all(nodes.map(({ http = '' }) => callHttp(http, 'GET', '/readyz')));
  return answers.flatMap(({ json }) =>
    (json as { checks: { name: string; ok: boolean; detail?: string }[] }).checks
      .filter(({ ok }) => !ok)
      .map(({ name, detail }) => `${name}: ${detail}`),
  );
}
