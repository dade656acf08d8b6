/**
 * The rows of the same log, made from its beginning by another projector in an empty database: to the byte they must be those that
 * lived through all faults. Owns that database and that projector for the time of one comparison.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { systemRandom } from '../../../../runtime/kernel/random.ts';
import { freePort } from '../../servers/private-server.ts';
import { until, within } from '../deadline.ts';
import type { FaultBed } from './bed.ts';
import { readEverything, withPostgres } from './stored-rows.ts';

const equalMsMax = 60_000;
const endMsMax = 25_000;
const shownMax = 5;
const huntEntry = fileURLToPath(new URL('../../../cli/hunt.js', import.meta.url));

/** Resolves with the number of rows that are equal; rejects with some that are not. People must rest meanwhile. */
export async function compareWithScratch(bed: FaultBed): Promise<number> {
  const name = `scratch_${systemRandom
    .token(6)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, 'x')}`;
  const url = bed.postgres.url.replace(/\/postgres$/, `/${name}`);
  await withPostgres(bed.postgres.url, (client) => client.query(`CREATE DATABASE ${name}`));
  const projector = await startProjector(bed, url);
  try {
    return await equalRows(bed, url);
  } finally {
    await ended(projector);
    await withPostgres(bed.postgres.url, (client) => client.query(`DROP DATABASE ${name}`));
  }
}

async function equalRows(bed: FaultBed, url: string): Promise<number> {
  let differing: string[] = ['nothing was read'];
  let count = 0;
  await until('a projector that began anew to have made the same rows', equalMsMax, async () => {
    const [lived, made] = await Promise.all([bed.postgres.url, url].map((one) => withPostgres(one, readEverything)));
    count = lived?.length ?? 0;
    const both = new Set(made);
    differing = [
      ...(lived ?? []).filter((line) => !both.delete(line)).map((line) => `lived: ${line}`),
      ...[...both].map((line) => `anew: ${line}`),
    ];
    return differing.length === 0 && count > 0;
  }).catch((error: Error) => {
    throw new Error(`${error.message}\n${differing.length} differ: ${differing.slice(0, shownMax).join('\n')}`);
  });
  return count;
}

async function startProjector(bed: FaultBed, url: string): Promise<ChildProcess> {
  const flags = ['--id', 'scratch', '--data-dir', bed.cluster.dataDir, '--http-port', String(await freePort())];
  return spawn(process.execPath, [huntEntry, 'projector', ...flags], {
    env: { ...bed.env, HUNT_PG_URL: url, HUNT_LOG_LEVEL: 'silent' },
    stdio: 'ignore',
  });
}

async function ended(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await within('the projector to end', endMsMax, gone).catch(() => child.kill('SIGKILL'));
}
