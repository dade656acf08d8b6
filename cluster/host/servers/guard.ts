/**
 * A process between a test run and its servers: it starts them, and ends them when the run is gone, SIGKILL included.
 *
 * Owns: every server of one test process, and their folders. Keeps: when the channel to the test process closes, all of
 * them are killed with their children, stopped ones too, and the folders are removed; then it ends.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, rmSync } from 'node:fs';
import { runs, signalTree } from './process-tree.ts';

export interface SpawnOrder {
  readonly argv: readonly string[];
  readonly folder: string;
  readonly logFile: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly account?: { readonly uid: number; readonly gid: number };
}

export type GuardOrder =
  | { readonly number: number; readonly kind: 'spawn'; readonly order: SpawnOrder }
  | { readonly number: number; readonly kind: 'remove'; readonly folder: string };

export type GuardReport =
  | { readonly kind: 'spawned'; readonly number: number; readonly pid: number }
  | { readonly kind: 'failed'; readonly number: number; readonly reason: string }
  | { readonly kind: 'exited'; readonly pid: number; readonly code: number | null; readonly signal: string | null }
  | { readonly kind: 'removed'; readonly number: number };

const servers = new Set<number>();
const folders = new Set<string>();
/** How long the killed may take to vanish before their folders are removed under them. */
const dyingMs = 10_000;

function report(message: GuardReport): void {
  if (process.connected) process.send?.(message);
}

function start(number: number, { argv, folder, logFile, env, account }: SpawnOrder): void {
  folders.add(folder);
  const log = openSync(logFile, 'a', 0o600);
  const [program, ...rest] = argv;
  const child = spawn(program as string, rest, {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', log, log],
    ...account,
  });
  closeSync(log);
  const { pid } = child;
  child.once('error', (error) => {
    if (pid === undefined) report({ kind: 'failed', number, reason: error.message });
  });
  if (pid === undefined) return;
  servers.add(pid);
  child.once('exit', (code, signal) => {
    servers.delete(pid);
    report({ kind: 'exited', pid, code, signal });
  });
  report({ kind: 'spawned', number, pid });
}

function remove(folder: string): void {
  folders.delete(folder);
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

process.on('message', (message: GuardOrder) => {
  try {
    if (message.kind === 'spawn') return start(message.number, message.order);
    remove(message.folder);
    report({ kind: 'removed', number: message.number });
  } catch (error) {
    report({ kind: 'failed', number: message.number, reason: (error as Error).message });
  }
});

process.once('disconnect', () => {
  const dying = [...servers].flatMap((pid) => signalTree(pid, 'SIGKILL'));
  const deadline = Date.now() + dyingMs;
  const bury = (): void => {
    if (dying.some(runs) && Date.now() < deadline) {
      setTimeout(bury, 10);
      return;
    }
    for (const folder of folders) remove(folder);
    process.exit(0);
  };
  bury();
});
