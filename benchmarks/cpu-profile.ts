/**
 * Loaded into every process of a cluster by `--profile 1` (`NODE_OPTIONS=--import`; Node 20 does not allow --cpu-prof there): profiles
 * the process from SIGUSR2, which `beginProfiles` sends when the measuring begins, to its end, and writes `<name>-<pid>.cpuprofile` into the folder PROFILE_DIR, for Chrome's developer tools.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { join } from 'node:path';
import { argv, env } from 'node:process';

const folder = env.PROFILE_DIR ?? 'cpu-profiles';
const at = argv.indexOf('--id');
const name = at < 0 ? (argv[2] ?? 'process') : argv[at + 1];
const session = new Session();
session.connect();
session.post('Profiler.enable');
// Begun by a signal, so that starting and warming up do not stand in the profile.
let isRunning = false;
process.on('SIGUSR2', () => {
  isRunning = true;
  session.post('Profiler.start');
});
process.once('exit', () => {
  if (!isRunning) return;
  session.post('Profiler.stop', (error, { profile }) => {
    if (error !== null) return;
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${name}-${process.pid}.cpuprofile`), JSON.stringify(profile));
  });
});
