/**
 * What the engine's own processes hold when everything is healed: the log as a client reads it, rows as people read them, and what
 * our processes said of themselves meanwhile.
 */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { teamRowId } from '../../../../actors/hunt/state.ts';
import { type Evidence, gather } from '../../../simulation/evidence.ts';
import type { History } from '../../../simulation/history.ts';
import { connectBackend } from '../../backend.ts';
import { loadConfig } from '../../config.ts';
import { until, within } from '../deadline.ts';
import { OwnPostgres } from '../faults/own-postgres.ts';
import { readRows, withPostgres } from '../faults/stored-rows.ts';
import { foldBoard } from '../judge/board.ts';
import type { ChaosBed } from './bed.ts';

/** On a busy machine; Kafka has a partition a slot. */
const verifyMsMax = 180_000;
const rowsMsMax = 60_000;
const huntEntry = fileURLToPath(new URL('../../../cli/hunt.js', import.meta.url));
const quiet = { info: () => undefined, warn: () => undefined };

export const environmentOf = (bed: ChaosBed): Record<string, string | undefined> => ({
  ...process.env,
  ...bed.cluster.options.env,
  ...bed.cluster.bringKey(),
});

/** By the log's own port of that profile, as any process of the cluster reads it. Nobody may write meanwhile. */
export async function readEvidence(bed: ChaosBed): Promise<Evidence> {
  const { config } = loadConfig('tool', {
    env: environmentOf(bed),
    flags: { dataDir: bed.dataDir, profile: bed.options.profile },
  });
  const backend = await connectBackend(config, quiet);
  try {
    return await gather(backend.own, backend.pages);
  } finally {
    await backend.close();
  }
}

/** `hunt log verify`, as an operator runs it on the running cluster. */
export async function verifyLog(bed: ChaosBed): Promise<string[]> {
  const child = spawn(process.execPath, [huntEntry, 'log', 'verify', '--data-dir', bed.dataDir, '--json'], {
    env: environmentOf(bed),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const parts: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => parts.push(part));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const code = await within('hunt log verify to end', verifyMsMax, ended).finally(() => child.kill('SIGKILL'));
  return code === 0
    ? []
    : [`hunt log verify ended with ${code}: ${Buffer.concat(parts).toString('utf8').slice(-1_500)}`];
}

export const postgresUrl = (bed: ChaosBed): string =>
  bed.options.profile === 'embedded' ? new OwnPostgres(bed.dataDir).url : bed.servers.postgres.url;

/** Rows follow the log: they are wrong if they still are after a while. Returns how many hunts were compared, or what differs. */
export async function compareRows(bed: ChaosBed, history: History, evidence: Evidence): Promise<string[]> {
  let differing: string[] = ['nothing was read'];
  await until('the rows to say what the log says', rowsMsMax, () =>
    withPostgres(postgresUrl(bed), async (client) => {
      differing = [];
      for (const { hunt, rules } of history.hunts) {
        const events = evidence.hunts.get(hunt)?.events ?? [];
        const { snapshot, catalog, players } = await readRows(client, hunt);
        for (const [table, row] of Object.entries({ hunt_snapshot: snapshot, hunt_catalog: catalog }))
          if (row?.version !== events.length)
            differing.push(`hunt ${hunt}: ${table} is at version ${row?.version}, the log at ${events.length}`);
        const memberOf = rules.entry === 'team' ? teamRowId : (id: string) => id;
        for (const { id, points, reached } of foldBoard(events, rules.entry)) {
          const row = players.find(({ member_id: member }) => member === memberOf(id));
          if (row?.points !== points || row?.reached_version !== reached)
            differing.push(
              `hunt ${hunt}: hunt_player ${id} is ${JSON.stringify(row)}; the log says ${points} at ${reached}`,
            );
        }
      }
      return differing.length === 0;
    }),
  ).catch((error: Error) => {
    if (differing.length === 0) throw error;
  });
  return differing;
}

/** Levels as pino writes them. */
const fatal = 60;
/** What a process of ours says of itself when something happened that its code did not foresee. */
const ownFault = /^(a fault of ours|uncaughtException|unhandledRejection)/;

export function ownFaults(dataDir: string): string[] {
  const found: string[] = [];
  for (const file of readdirSync(join(dataDir, 'logs'))) {
    for (const line of readFileSync(join(dataDir, 'logs', file), 'utf8').split('\n')) {
      if (!line.includes('"level":60') && !line.includes('"level":50')) continue;
      let entry: { level?: number; msg?: string; err?: { stack?: string; message?: string } };
      try {
        entry = JSON.parse(line) as typeof entry;
      } catch {
        continue; // Cut off by a signal.
      }
      const { level, msg = '', err } = entry;
      if (ownFault.test(msg) || (level === fatal && msg !== 'could not start'))
        found.push(`${file}: ${msg}: ${(err?.stack ?? err?.message ?? line).slice(0, 600)}`);
    }
  }
  return found;
}
