/**
 * A whole cluster as a stranger runs it: `hunt up` in a folder of its own, seen only through cluster.json, its URLs and its
 * pids (contract, section 9). Owns the supervisor that it spawned and the folder; whatever happens, it ends what it started.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env as inheritedEnv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { callHttp, type HttpAnswer, type HttpCall } from './bare-http.ts';
import { until, within } from './deadline.ts';
import { type Claims, mint } from './token.ts';
import type { BoardRow, FullEvent } from './wire.ts';

export interface ProcessRow {
  readonly name: string;
  readonly role: 'node' | 'gateway' | 'log' | 'projector' | 'relay' | 'service';
  readonly pid: number;
  readonly state: 'starting' | 'up' | 'exited';
  readonly restarts: number;
  readonly started_at: number;
  readonly http?: string;
  readonly grpc?: string;
}

export interface ClusterFile {
  readonly schema: string;
  readonly profile: string;
  readonly state: 'starting' | 'ready' | 'stopping';
  readonly generation: number;
  readonly data_dir: string;
  readonly supervisor: { readonly pid: number };
  readonly urls: { readonly http: string; readonly ws: string; readonly grpc: string; readonly console: string };
  readonly processes: readonly ProcessRow[];
  readonly token_key_file: string;
  readonly tokens: { readonly operator: string; readonly designer: string };
}

export interface ClusterOptions {
  readonly nodes?: number;
  readonly gateways?: number;
  /** Start on this folder again instead of a fresh one. It is then the caller's to remove. */
  readonly dataDir?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
  /** Flags of Node itself for the supervisor and, through NODE_OPTIONS, for its children. */
  readonly nodeOptions?: string;
  readonly readyMs?: number;
}

export interface NewHunt {
  readonly hunt_id: number;
  readonly join_code: string;
  readonly slot: number;
  readonly status: string;
  readonly version: number;
}

const huntEntry = fileURLToPath(new URL('../../cli/hunt.js', import.meta.url));
const stderrKeptChars = 8_000;
const stopWithinMs = 30_000;
const eventsPage = 5_000;
const running = new Set<ClusterProcess>();
process.once('exit', () => {
  for (const cluster of running) cluster.endNow();
});

export class ClusterProcess {
  /** The lines that `--json` wrote to stdout. */
  readonly lines: { readonly event: string; readonly [field: string]: unknown }[] = [];
  readyAfterMs = 0;
  #child: ChildProcess;
  #exit: Promise<number | null>;
  #stderr = '';
  #out = '';

  private constructor(
    readonly dataDir: string,
    readonly options: ClusterOptions,
  ) {
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

  #spawn(): [ChildProcess, Promise<number | null>] {
    const { nodes = 3, gateways = 1, flags = [], env = {}, nodeOptions } = this.options;
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
    ];
    const child = spawn(process.execPath, [huntEntry, ...args, ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...inheritedEnv, ...(nodeOptions === undefined ? {} : { NODE_OPTIONS: nodeOptions }), ...env },
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
    for (const line of lines) if (line !== '') this.lines.push(JSON.parse(line) as { event: string });
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
  get http(): string {
    return this.file().urls.http;
  }
  get ws(): string {
    return this.file().urls.ws;
  }
  get grpc(): string {
    return this.file().urls.grpc;
  }
  get tokens(): ClusterFile['tokens'] {
    return this.file().tokens;
  }
  /** Where sockets can be opened, one a gateway. */
  get sockets(): string[] {
    const gateways = this.file().processes.filter((row) => row.role === 'gateway' && row.http !== undefined);
    return gateways.map((row) => `${(row.http as string).replace(/^http/, 'ws')}/v1/socket`);
  }
  get tokenKey(): Buffer {
    return Buffer.from(readFileSync(this.file().token_key_file, 'utf8').trim(), 'base64url');
  }

  process(name: string): ProcessRow {
    const row = this.file().processes.find((one) => one.name === name);
    if (row === undefined) throw new Error(`no process ${name} in cluster.json`);
    return row;
  }

  /** The sum of all `restarts`: 0 as long as nothing died. */
  restarts(): number {
    return this.file().processes.reduce((sum, row) => sum + row.restarts, 0);
  }

  mint(claims: Claims): string {
    return mint(this.tokenKey, claims);
  }

  playerToken(hunt: number | '*', player: string): string {
    return this.mint({ sub: player, role: 'player', hunt });
  }

  call(method: string, path: string, options: HttpCall = {}): Promise<HttpAnswer> {
    return callHttp(this.http, method, path, { token: this.tokens.designer, ...options });
  }

  /** As {@link call}, but anything but success is an error. */
  async expect<T>(method: string, path: string, options: HttpCall = {}): Promise<T> {
    const answer = await this.call(method, path, options);
    if (answer.status >= 300)
      throw new Error(`${method} ${path} was answered ${answer.status}: ${answer.text.slice(0, 400)}`);
    return answer.json as T;
  }

  /** Creates a hunt from an object (JSON) or a text (YAML). */
  createHunt(definition: object | string, token?: string): Promise<NewHunt> {
    const yaml = typeof definition === 'string' ? { headers: { 'content-type': 'application/yaml' } } : {};
    return this.expect<NewHunt>('POST', '/v1/hunts', {
      body: definition,
      ...yaml,
      ...(token === undefined ? {} : { token }),
    });
  }

  /** All events of a hunt, page by page. */
  async history(hunt: number): Promise<FullEvent[]> {
    const events: FullEvent[] = [];
    for (let from: number | null = 0; from !== null; ) {
      const page: { events: FullEvent[]; next: number | null } = await this.expect(
        'GET',
        `/v1/hunts/${hunt}/events?from=${from}&limit=${eventsPage}`,
      );
      events.push(...page.events);
      from = page.next;
    }
    return events;
  }

  async scoreboard(hunt: number): Promise<BoardRow[]> {
    return (await this.expect<{ entries: BoardRow[] }>('GET', `/v1/hunts/${hunt}/scoreboard?limit=1000`)).entries;
  }

  /** The text of one process's /metrics. */
  async metrics(name: string): Promise<string> {
    const { http } = this.process(name);
    if (http === undefined) throw new Error(`${name} has no http address`);
    return (await callHttp(http, 'GET', '/metrics')).text;
  }

  /** Which node serves the slot. */
  async ownerOf(slot: number): Promise<string> {
    const { owners } = await this.expect<{ owners: string[] }>('GET', '/v1/cluster', { token: this.tokens.operator });
    return owners[slot] as string;
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
      rows = this.file().processes;
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
