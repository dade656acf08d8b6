/**
 * How fast rows follow the log. Run by hand: node build/projections/pace.bench.js [hunts] [players] [events a second]
 *
 * First everything is rebuilt from the log in memory, then the same hunts are played on at a fixed rate (open loop) while the
 * lag is looked at. Not measured: the log's own reading over a socket, and nodes that want the same CPU.
 */
import { readFileSync } from 'node:fs';
import { postgresServer } from '../cluster/host/servers/postgres-server.ts';
import { MemoryLog } from '../runtime/log/memory/memory-log.ts';
import { noProjectionMetrics } from './metrics.ts';
import { LoggedHunt, projectorOf, settled, sql, systemParts, testJournal } from './projections.fixture.ts';
import { rebuildAll } from './rebuild.ts';

const [huntCount = 100, playerCount = 70, rate = 5_000] = process.argv.slice(2).map(Number);
const playSeconds = 15;
/** Commands between two turns of the event loop, which the projector of this bench shares with those who play. */
const burstMax = 64;
const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** CPU seconds of all processes of that server. */
function cpuOf(parent: number): number {
  const children = readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').trim().split(' ').filter(Boolean);
  const stat = readFileSync(`/proc/${parent}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // Those that have ended are counted with their parent.
  const own = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0) / 100;
  return children.reduce((sum, child) => {
    try {
      return sum + cpuOf(Number(child));
    } catch {
      return sum;
    }
  }, own);
}

const server = await postgresServer();
const url = await server.database('pace');
const log = new MemoryLog();
const hunts: LoggedHunt[] = [];
const names = Array.from({ length: playerCount }, (_, i) => `p${i}`);
const definition = (await import('../actors/hunt/sample-hunts.ts')).everyWay;
for (let i = 0; i < huntCount; i++) {
  const hunt = await LoggedHunt.create(log, (i * 37) % 256, {
    definition: { ...definition, limits: { players: playerCount } },
  });
  await hunt.play(names);
  hunts.push(hunt);
}
const events = () => hunts.reduce((sum, { version }) => sum + version, 0);
say(`${huntCount} hunts of ${playerCount} players, ${events()} events in the log`);

const options = { log, pgUrls: [url], ...systemParts, metrics: noProjectionMetrics, journal: testJournal };
for (const what of ['first time, no tables yet', 'again, over the rows']) {
  const cpu = process.cpuUsage();
  const pgCpu = cpuOf(server.pid);
  const { events: done, seconds } = await rebuildAll(options);
  const { user, system } = process.cpuUsage(cpu);
  say(
    `rebuild (${what}): ${Math.round(done / seconds)} events/s in ${seconds.toFixed(2)} s; CPU us an event: projector ${((user + system) / done).toFixed(1)}, PostgreSQL ${(((cpuOf(server.pid) - pgCpu) * 1e6) / done).toFixed(1)}`,
  );
}

const projector = projectorOf(log, url);
await settled(projector, 60_000);
const before = events();
const cpu = process.cpuUsage();
const pgCpu = cpuOf(server.pid);
const began = performance.now();
let most = { events: 0, seconds: 0 };
let next = 0;
for (let elapsed = 0; elapsed < playSeconds * 1_000; elapsed = performance.now() - began) {
  for (let burst = 0; next < (rate * elapsed) / 1_000 && burst < burstMax; burst++) {
    const hunt = hunts[next++ % hunts.length] as LoggedHunt;
    hunt.spec.at = Date.now();
    await hunt.command('adjust', { player: names[next % names.length], points: 1, reason: 'pace' });
  }
  const lags = projector.lag();
  const now = {
    events: lags.reduce((sum, lag) => sum + lag.events, 0),
    seconds: Math.max(...lags.map((lag) => lag.seconds)),
  };
  most = { events: Math.max(most.events, now.events), seconds: Math.max(most.seconds, now.seconds) };
  await new Promise((resolve) => setTimeout(resolve, 2));
}
const played = events() - before;
const { user, system } = process.cpuUsage(cpu);
await settled(projector, 60_000);
const [{ transactions } = {}] = await sql(
  url,
  'SELECT xact_commit AS transactions FROM pg_stat_database WHERE datname = current_database()',
);
say(
  `following ${Math.round(played / playSeconds)} events/s for ${playSeconds} s: at most ${most.events} events and ${most.seconds.toFixed(2)} s behind; CPU cores: this process (play included) ${((user + system) / 1e6 / playSeconds).toFixed(2)}, PostgreSQL ${((cpuOf(server.pid) - pgCpu) / playSeconds).toFixed(2)}; ${transactions} transactions of the database in all`,
);
await projector.stop();
await server.close();
process.exit(0);
