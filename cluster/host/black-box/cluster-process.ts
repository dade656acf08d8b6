/**
 * A whole cluster as a stranger runs it: `hunt up` in a folder of its own, seen only through cluster.json, its URLs and its
 * pids. Owns the supervisor that it spawned and the folder; whatever happens, it ends what it started.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env as inheritedEnv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { ClusterApi, type ClusterFile, type ProcessRow } from './cluster-api.ts';
import { until, within } from './deadline.ts';

export interface ClusterOptions {
  readonly nodes?: number;
  readonly gateways?: number;
  /** With the embedded PostgreSQL and its projector, as users have it; without them by default: most tests ask for no list. */
  readonly store?: boolean;
  /** Start on this folder again instead of a fresh one. It is then the caller's to remove. */
  readonly dataDir?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
  /** Flags of Node itself for the supervisor and, through NODE_OPTIONS, for its children. */
  readonly nodeOptions?: string;
  readonly readyMs?: number;
}

const huntEntry = fileURLToPath(new URL('../../cli/hunt.js', import.meta.url));
const stderrKeptChars = 8_000;
const stopWithinMs = 30_000;
const keyBytes = 32;
const running = new Set<ClusterProcess>();
process.once('exit', () => {
  for (const cluster of running) cluster.endNow();
});

export class ClusterProcess extends ClusterApi {
  /** The lines that `--json` wrote to stdout. */
  readonly lines: { readonly event: string; readonly [field: string]: unknown }[] = [];
  /** Of those the ones that are no JSON: there must be none. */
  readonly strays: string[] = [];
  readyAfterMs = 0;
  #child: ChildProcess;
  #exit: Promise<number | null>;
  #stderr = '';
  #out = '';

  private constructor(
    readonly dataDir: string,
    readonly options: ClusterOptions,
  ) {
    super();
    [this.#child, this.#exit] = this.#spawn();
    running.add(this);
  }

  /** Starts a cluster and waits until cluster.json says `ready`. */
  static async start(options: ClusterOptions = {}): Promise<ClusterProcess> {
    const cluster = new ClusterProcess(options.dataDir ?? mkdtempSync(join(tmpdir(), 'hunt-bb-')), options);
    try {
      await cluster.#untilReady();
    } catch (error) {
      cluster.endNow();
      throw error;
    }
    return cluster;
  }

  /** Outside the embedded profile `hunt up` makes no key: who runs it brings one. */
  bringKey(): Readonly<Record<string, string>> {
    const { HUNT_PROFILE: profile = 'embedded' } = this.options.env ?? {};
    if (profile === 'embedded') return {};
    const file = join(this.dataDir, 'token.key');
    mkdirSync(this.dataDir, { recursive: true });
    if (!existsSync(file)) writeFileSync(file, randomBytes(keyBytes).toString('base64url'), { mode: 0o600 });
    return { HUNT_TOKEN_KEY_FILE: file };
  }

  #spawn(): [ChildProcess, Promise<number | null>] {
    const { nodes = 3, gateways = 1, store = false, flags = [], env = {}, nodeOptions } = this.options;
    const args = [
      'up',
      '--json',
      '--data-dir',
      this.dataDir,
      '--port',
      '0',
      '--grpc-port',
      '0',
      '--no-demo',
      '--nodes',
      String(nodes),
      '--gateways',
      String(gateways),
      ...(store ? [] : ['--pg-port', '0']),
    ];
    const child = spawn(process.execPath, [huntEntry, ...args, ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...inheritedEnv,
        ...this.bringKey(),
        ...(nodeOptions === undefined ? {} : { NODE_OPTIONS: nodeOptions }),
        ...env,
      },
    });
    child.stdout?.on('data', (part: Buffer) => this.#readLines(part.toString('utf8')));
    child.stderr?.on('data', (part: Buffer) => {
      this.#stderr = (this.#stderr + part.toString('utf8')).slice(-stderrKeptChars);
    });
    return [child, new Promise((tell) => child.once('exit', (code) => tell(code)))];
  }

  #readLines(text: string): void {
    const lines = (this.#out + text).split('\n');
    this.#out = lines.pop() ?? '';
    for (const line of lines) {
      try {
        if (line !== '') this.lines.push(JSON.parse(line) as { event: string });
      } catch {
        this.strays.push(line);
      }
    }
  }

  async #untilReady(): Promise<void> {
    const begun = performance.now();
    await until(`the cluster in ${this.dataDir} to be ready`, this.options.readyMs ?? 40_000, () => {
      if (this.#ended) return true;
      const file = this.file();
      return file.state === 'ready' && file.supervisor.pid === this.#child.pid;
    }).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.#stderr}`);
    });
    if (this.#ended)
      throw new Error(`hunt up ended with ${this.#child.exitCode ?? this.#child.signalCode}\n${this.#stderr}`);
    this.readyAfterMs = performance.now() - begun;
  }

  /** cluster.json as it stands now. */
  file(): ClusterFile {
    return JSON.parse(readFileSync(join(this.dataDir, 'cluster.json'), 'utf8')) as ClusterFile;
  }

  get stderr(): string {
    return this.#stderr;
  }
  /** Sends a signal to one process of the cluster. Returns its row as it was. */
  kill(name: string, signal: NodeJS.Signals = 'SIGKILL'): ProcessRow {
    const row = this.process(name);
    process.kill(row.pid, signal);
    return row;
  }

  /** Waits until `name` runs again under another pid than `before` had. */
  async respawned(before: ProcessRow, ms = 20_000): Promise<ProcessRow> {
    return until(`${before.name} to run again`, ms, () => {
      const row = this.process(before.name);
      return row.pid !== before.pid && row.state === 'up' ? row : undefined;
    });
  }

  /** SIGKILL for the supervisor and every process, at once. */
  async killEverything(): Promise<void> {
    this.endNow();
    await this.#exit;
  }

  /** Starts again on the same folder. */
  async restart(): Promise<void> {
    [this.#child, this.#exit] = this.#spawn();
    running.add(this);
    await this.#untilReady();
  }

  get #ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** SIGTERM, and the exit code; SIGKILL for everything if that takes too long. */
  async stop(): Promise<number | null> {
    if (!this.#ended) this.#child.kill('SIGTERM');
    try {
      return await within('hunt up to stop', stopWithinMs, this.#exit);
    } finally {
      this.endNow();
    }
  }

  async stopAndRemove(): Promise<void> {
    await this.stop().catch(() => undefined);
    rmSync(this.dataDir, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Ends everything without waiting. Safe to call twice. */
  endNow(): void {
    if (!running.delete(this)) return;
    let rows: readonly ProcessRow[] = [];
    try {
      const file = this.file();
      if (file.supervisor.pid === this.#child.pid) rows = file.processes; // Else another cluster holds the folder.
    } catch {
      // It never came as far as cluster.json.
    }
    const ours = rows.filter((row) => this.#isOurs(row.pid));
    this.#child.kill('SIGKILL');
    for (const row of ours) killQuietly(row.pid);
  }

  /** Whether that pid still is a process of this cluster: a pid of a process long gone may be another's by now. */
  #isOurs(pid: number): boolean {
    try {
      return (
        ['cmdline', 'environ'].some((file) => readFileSync(`/proc/${pid}/${file}`).includes(this.dataDir)) ||
        parentOf(pid) === this.#child.pid
      );
    } catch {
      return false;
    }
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Already gone.
  }
}

function parentOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}
