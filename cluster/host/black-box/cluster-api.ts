/** Where a running cluster is and how a stranger asks it things: cluster.json, tokens, and a few HTTP calls. */
import { readFileSync } from 'node:fs';
import { callHttp, type HttpAnswer, type HttpCall } from './bare-http.ts';
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

export interface NewHunt {
  readonly hunt_id: number;
  readonly join_code: string;
  readonly slot: number;
  readonly status: string;
  readonly version: number;
}

const eventsPage = 5_000;

export abstract class ClusterApi {
  /** cluster.json as it stands now. */
  abstract file(): ClusterFile;

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
}
