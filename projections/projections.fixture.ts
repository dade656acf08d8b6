/** What the projections' tests share: hunts that are played into a log, databases of their own, and all rows as text. */
import pg from 'pg';
import { parseAction } from '../actors/hunt/action.ts';
import { huntActor } from '../actors/hunt/actor.ts';
import { checkDefinition } from '../actors/hunt/definition.ts';
import { HuntSpec } from '../actors/hunt/hunt-spec.ts';
import { everyWay } from '../actors/hunt/sample-hunts.ts';
import type { PostgresServer } from '../cluster/host/servers/postgres-server.ts';
import { sharedServer } from '../cluster/host/servers/shared-server.ts';
import { type Slot, slotCount, slotOf, type Version } from '../proto/ids.ts';
import { encodeRecord } from '../runtime/activation/record.ts';
import { systemClock } from '../runtime/kernel/clock.ts';
import { systemRandom } from '../runtime/kernel/random.ts';
import { systemTimers } from '../runtime/kernel/timer.ts';
import { eventually } from '../runtime/log/contract-fixture.ts';
import type { EventLog, SlotWriter } from '../runtime/log/event-log.ts';
import { type Journal, silentJournal } from './journal.ts';
import { noProjectionMetrics } from './metrics.ts';
import { Projector, type ProjectorOptions } from './projector.ts';

export { eventually };

let databases = 0;
/** An empty database of the shared server. */
export async function freshDatabase(): Promise<string> {
  const server = (await sharedServer('postgres')) as PostgresServer;
  return server.database(`projections_${process.pid}_${++databases}`);
}

/** Its answers as PostgreSQL writes them. */
export async function sql<R = Record<string, string | null>>(
  url: string,
  text: string,
  values: unknown[] = [],
): Promise<R[]> {
  const client = new pg.Client({ connectionString: url, types: { getTypeParser: () => String } as never });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(text, values)).rows as R[];
  } finally {
    await client.end().catch(() => undefined);
  }
}

const rowTables = [
  'hunt_snapshot',
  'hunt_player',
  'hunt_treasure',
  'projection_checkpoint',
  'projection_parked',
  'hunt_catalog',
];

/** Every row of every table as text, in the order of the keys. `generation` says how often a slot was rebuilt, not what is in it. */
export async function dump(url: string, { generations = true } = {}): Promise<Record<string, string[]>> {
  const dumped: Record<string, string[]> = {};
  for (const table of rowTables) {
    const rows = await sql(url, `SELECT * FROM ${table}`);
    dumped[table] = rows
      .map(({ generation, base_generation, ...row }) =>
        JSON.stringify(generations ? { ...row, generation, base_generation } : row),
      )
      .sort();
  }
  return dumped;
}

let lastHunt = Date.now() % 2 ** 30;
export const freshHuntId = (slot: number): number => ++lastHunt * slotCount + slot;

/** A hunt that is played through the rules themselves; each command is one record of the log. */
export class LoggedHunt {
  readonly spec: HuntSpec;
  readonly #log: EventLog;
  #writer: SlotWriter | undefined;
  #logged = 0;
  readonly #seqs = new Map<string, number>();

  constructor(
    log: EventLog,
    readonly id: number,
    at = Date.UTC(2026, 5, 6, 10),
  ) {
    this.#log = log;
    this.spec = new HuntSpec(huntActor, id, at);
  }

  static async create(
    log: EventLog,
    slot: number,
    { definition = everyWay as object, owner = 'dora', code = 'ABCDEF', at = undefined as number | undefined } = {},
  ): Promise<LoggedHunt> {
    const hunt = new LoggedHunt(log, freshHuntId(slot), at);
    const parsed = checkDefinition(definition);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
    await hunt.command('create', { definition: parsed.definition, owner, join_code: code, lineage: 'L1' });
    return hunt;
  }

  get slot(): Slot {
    return slotOf(this.id);
  }
  get version(): number {
    return this.spec.version;
  }

  async command(name: string, body: Record<string, unknown> = {}): Promise<void> {
    const { refusal } = this.spec.command(name, { by: 'dora', ...body });
    if (refusal !== undefined) throw new Error(`${name}: ${refusal.code} ${refusal.message}`);
    await this.log();
  }

  /** Whatever comes of it. */
  async act(player: string, action: Record<string, unknown>): Promise<void> {
    const parsed = parseAction(action);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
    const seq = (this.#seqs.get(player) ?? 0) + 1;
    this.#seqs.set(player, seq);
    this.spec.when({ player, seq, fingerprint: seq, action: parsed.action.action! });
    await this.log();
  }

  /** Appends what has happened since. */
  async log(): Promise<void> {
    const events = this.spec.events.slice(this.#logged);
    if (events.length === 0) return;
    await this.append(
      events.map((event) => huntActor.events.encode({ ...event, huntId: this.id })),
      events.length,
    );
  }

  /** Bytes of our own choice, in the place of the next events. */
  async append(events: readonly Uint8Array[], count: number): Promise<void> {
    this.#writer ??= await this.#log.take(this.slot, 1);
    const outcome = await this.#writer.append(
      { kind: 'hunt', id: this.id },
      this.#logged as Version,
      count,
      encodeRecord(events, 1, 'n1@1'),
    );
    if (outcome.kind !== 'appended') throw new Error(`the append of hunt ${this.id}: ${JSON.stringify(outcome)}`);
    this.#logged += count;
  }

  /** Some play: players join, check in, answer, claim, are wrong, take hints. */
  async play(players: readonly string[], rounds = 1): Promise<void> {
    const place = { lat: 48.2, lon: 16.37, accuracy: 5 };
    const actions: Record<string, unknown>[] = [
      { type: 'check_in', ...place },
      { type: 'answer', clue: 'c1', text: 'Zeus' },
      { type: 'hint', clue: 'c1' },
      { type: 'answer', clue: 'c1', text: 'Neptune' },
      { type: 'scan', code: 'HX-2291' },
      { type: 'claim', treasure: 'coin' },
      { type: 'claim', treasure: 'chest', ...place },
      { type: 'answer', clue: 'c2', text: 'b' },
    ];
    for (const player of players) await this.act(player, { type: 'join', name: player.toUpperCase() });
    for (let round = 0; round < rounds; round++)
      for (const action of actions)
        for (const player of players) {
          this.spec.later(1_500);
          await this.act(player, action);
        }
  }
}

export const systemParts = { clock: systemClock, timers: systemTimers, random: systemRandom } as const;

/** Shows what a projector says when HUNT_TEST_JOURNAL is set. */
export const testJournal: Journal =
  process.env.HUNT_TEST_JOURNAL === undefined
    ? silentJournal
    : {
        info: (facts, message) => console.error('info', message, facts),
        warn: (facts, message) => console.error('warn', message, facts),
        error: (facts, message) => console.error('error', message, facts),
      };

export function projectorOf(
  log: ProjectorOptions['log'],
  pgUrls: string | readonly string[],
  more: Partial<ProjectorOptions> = {},
): Projector {
  const projector = new Projector({
    log,
    pgUrls: typeof pgUrls === 'string' ? [pgUrls] : pgUrls,
    ...systemParts,
    metrics: noProjectionMetrics,
    journal: testJournal,
    ...more,
  });
  logs.set(projector, log);
  return projector;
}
const logs = new WeakMap<Projector, ProjectorOptions['log']>();

/** Until all slots are owned and their rows and the list are as the log is now. */
export async function settled(projector: Projector, withinMs = 15_000): Promise<void> {
  const ends = (await logs.get(projector)?.ends()) ?? [];
  let last = '';
  try {
    await eventually(
      'the projector to settle',
      () => {
        const { isSettled, slots, faults, schemaFault } = projector.state();
        const lags = projector.lag();
        const behind = lags.filter(({ slot, position }) => position < (ends[slot] ?? 0));
        last = JSON.stringify({ slots, faults: faults.slice(0, 3), schemaFault, behind: behind.slice(0, 3) });
        return slots === slotCount && lags.length === slotCount && behind.length === 0 && isSettled;
      },
      withinMs,
    );
  } catch (error) {
    throw new Error(`${(error as Error).message}: ${last}`);
  }
}
