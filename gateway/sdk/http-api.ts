/**
 * The HTTP side (PROTOCOL.md, HTTP), over `fetch`. Every POST carries an Idempotency-Key, so that a try whose answer was
 * lost can be made again; problem+json becomes HuntError.
 */
import { Backoff } from './backoff.ts';
import { HuntError } from './hunt-error.ts';
import type { Ack, Action, BoardEntry, HuntEvent, HuntStatus, HuntView, Me, Mode, Nack } from './messages.ts';

export interface ApiOptions {
  /** `http://host:port`, without a path. */
  url: string;
  token?: string;
  fetch?: typeof fetch;
  random?: () => number;
  /** Tries in all, when the server says that the same may be sent again or does not answer. */
  triesMax?: number;
  timeoutMs?: number;
}
export interface HuntRow {
  hunt_id: number;
  title: string;
  status: HuntStatus;
  join_code: string;
  opens_at?: number;
  closes_at?: number;
  players: number;
  version: number;
  owner: string;
}
export interface CreatedHunt {
  hunt_id: number;
  join_code: string;
  slot: number;
  status: HuntStatus;
  version: number;
}
export interface HuntDetails extends HuntRow {
  slot: number;
  lineage: string;
  definition_version: number;
  definition: unknown;
  state: HuntView;
}
export interface PlayerHunt {
  hunt_id: number;
  version: number;
  mode: Mode;
  lineage: string;
  state: { hunt: HuntView; me: Me | null };
}
export interface EventsPage {
  hunt_id: number;
  from: number;
  head: number;
  oldest: number;
  events: HuntEvent[];
  next: number | null;
}
export interface ScoreboardPage {
  hunt_id: number;
  version: number;
  entrants: number;
  entries: (BoardEntry & { reached_version: number })[];
}
export interface PlayerToken {
  hunt_id: number;
  player_id: string;
  token: string;
  expires_at: number;
}
export interface Joined extends PlayerToken {
  title: string;
  status: HuntStatus;
  socket_url: string;
}
export interface Steered {
  hunt_id: number;
  version: number;
  status?: HuntStatus;
  closes_at?: number;
  total?: number;
}
export type Subject = { player: string } | { team: string };

const retryBaseMs = 200;
const retryCapMs = 3_000;
const eventsPerPage = 1_000;

export class HttpApi {
  readonly #options: ApiOptions;
  constructor(options: ApiOptions) {
    this.#options = { ...options, url: options.url.replace(/\/+$/, '') };
  }

  get url(): string {
    return this.#options.url;
  }
  as(token: string): HttpApi {
    return new HttpApi({ ...this.#options, token });
  }

  createHunt(definition: unknown): Promise<CreatedHunt>;
  createHunt(definition: unknown, options: { dryRun: true }): Promise<{ valid: true; warnings: string[] }>;
  /** A string is taken as YAML (of which JSON is a part), anything else is sent as JSON. */
  createHunt(
    definition: unknown,
    options: { dryRun?: boolean } = {},
  ): Promise<CreatedHunt | { valid: true; warnings: string[] }> {
    const path = `/v1/hunts${options.dryRun ? '?dry_run=true' : ''}`;
    return typeof definition === 'string'
      ? this.request('POST', path, { body: definition, type: 'application/yaml' })
      : this.request('POST', path, { body: JSON.stringify(definition), type: 'application/json' });
  }
  listHunts(
    filter: { status?: string; q?: string; limit?: number; cursor?: string } = {},
  ): Promise<{ hunts: HuntRow[]; next: string | null }> {
    return this.request('GET', `/v1/hunts${query(filter)}`);
  }
  hunt(id: number, atVersion?: number): Promise<HuntDetails> {
    return this.request('GET', `/v1/hunts/${id}${query({ at_version: atVersion })}`);
  }
  playerHunt(id: number): Promise<PlayerHunt> {
    return this.request('GET', `/v1/hunts/${id}`);
  }
  events(id: number, from = 0, limit = eventsPerPage): Promise<EventsPage> {
    return this.request('GET', `/v1/hunts/${id}/events${query({ from, limit })}`);
  }
  /** Page after page, until the head as it was when the last page was read, or `to`. */
  async *history(id: number, from = 0, to = Number.MAX_SAFE_INTEGER): AsyncGenerator<HuntEvent> {
    for (let next: number | null = from; next !== null && next < to; ) {
      const page: EventsPage = await this.events(id, next, Math.min(eventsPerPage, to - next));
      yield* page.events;
      next = page.next;
    }
  }
  scoreboard(id: number, limit?: number, offset?: number): Promise<ScoreboardPage> {
    return this.request('GET', `/v1/hunts/${id}/scoreboard${query({ limit, offset })}`);
  }
  steer(id: number, verb: 'open' | 'pause' | 'resume' | 'close', reason?: string): Promise<Steered> {
    return this.#post(`/v1/hunts/${id}/${verb}`, reason === undefined ? {} : { reason });
  }
  extend(id: number, by: { closes: string } | { minutes: number }): Promise<Steered> {
    return this.#post(`/v1/hunts/${id}/extend`, by);
  }
  adjust(id: number, subject: Subject, points: number, reason: string): Promise<Steered> {
    return this.#post(`/v1/hunts/${id}/adjust`, { ...subject, points, reason });
  }
  void(id: number, version: number, reason: string): Promise<Steered> {
    return this.#post(`/v1/hunts/${id}/void`, { version, reason });
  }
  disqualify(id: number, subject: Subject, reason: string): Promise<Steered> {
    return this.#post(`/v1/hunts/${id}/disqualify`, { ...subject, reason });
  }
  announce(id: number, text: string): Promise<{ hunt_id: number; version: number }> {
    return this.#post(`/v1/hunts/${id}/announce`, { text });
  }
  createPlayer(id: number, player?: string, name?: string): Promise<PlayerToken> {
    return this.#post(`/v1/hunts/${id}/players`, { ...(player ? { player } : {}), ...(name ? { name } : {}) });
  }
  join(code: string, name: string): Promise<Joined> {
    return this.#post('/v1/join', { code, name });
  }
  /** One command without a socket. A refusal by the rules is an answer here, not an error. */
  async act(id: number, seq: number, action: Action, player?: string): Promise<{ ack: Ack } | { nack: Nack }> {
    const body = JSON.stringify({ ...(player ? { player } : {}), seq, action });
    const answer = await this.#exchange('POST', `/v1/hunts/${id}/actions`, { body, type: 'application/json' });
    const json = parse(answer.text) as { ack: Ack } | { nack: Nack } | undefined;
    if (json !== undefined && ('ack' in json || 'nack' in json)) return json;
    throw problem(answer.status, answer.text);
  }
  async exportCsv(id: number): Promise<string> {
    const answer = await this.#exchange('GET', `/v1/hunts/${id}/export.csv`, {});
    if (answer.status >= 300) throw problem(answer.status, answer.text);
    return answer.text;
  }
  cluster<T = unknown>(): Promise<T> {
    return this.request('GET', '/v1/cluster');
  }

  /** `keyless`: sent again it is harmless by itself, and need not wait for whoever keeps the keys. */
  async request<T>(
    method: string,
    path: string,
    content: { body?: string; type?: string; keyless?: boolean } = {},
  ): Promise<T> {
    const answer = await this.#exchange(method, path, content);
    if (answer.status >= 300) throw problem(answer.status, answer.text);
    const json = parse(answer.text);
    if (json === undefined)
      throw new HuntError('INTERNAL', `${method} ${path} was answered with something that is not JSON`, {
        status: answer.status,
      });
    return json as T;
  }

  #post<T>(path: string, body: unknown): Promise<T> {
    return this.request('POST', path, { body: JSON.stringify(body), type: 'application/json' });
  }

  /** Makes the request, and again while the server says so or nothing came back, with the same Idempotency-Key. */
  async #exchange(
    method: string,
    path: string,
    content: { body?: string; type?: string; keyless?: boolean },
  ): Promise<{ status: number; text: string }> {
    const { token, triesMax = 4, timeoutMs = 30_000, random = Math.random } = this.#options;
    const headers: Record<string, string> = { accept: 'application/json' };
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    if (content.type !== undefined) headers['content-type'] = content.type;
    if (method === 'POST' && content.keyless !== true) headers['idempotency-key'] = freshKey();
    const backoff = new Backoff(retryBaseMs, retryCapMs, random);
    for (;;) {
      let failure: HuntError;
      try {
        const call = this.#options.fetch ?? globalThis.fetch;
        const init = {
          method,
          headers,
          signal: AbortSignal.timeout(timeoutMs),
          ...(content.body === undefined ? {} : { body: content.body }),
        };
        const response = await call(`${this.#options.url}${path}`, init);
        const text = await response.text();
        if (response.status < 429) return { status: response.status, text };
        failure = problem(response.status, text);
        if (!failure.retryable || backoff.tries + 1 >= triesMax) return { status: response.status, text };
      } catch (error) {
        failure = new HuntError('UNREACHABLE', `no answer from ${this.#options.url}: ${reasonOf(error)}`, {
          retryable: true,
        });
        if (backoff.tries + 1 >= triesMax) throw failure;
      }
      const jittered = backoff.next();
      const wait =
        failure.retryMs === undefined ? jittered : Math.min(failure.retryMs, retryCapMs) * (1 + random() / 2);
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

function query(fields: Readonly<Record<string, string | number | undefined>>): string {
  const pairs = Object.entries(fields).filter((pair): pair is [string, string | number] => pair[1] !== undefined);
  return pairs.length === 0 ? '' : `?${pairs.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join('&')}`;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function problem(status: number, text: string): HuntError {
  const body = (parse(text) ?? {}) as {
    code?: string;
    detail?: string;
    title?: string;
    retryable?: boolean;
    retry_ms?: number;
    errors?: { path: string; message: string }[];
    instance?: string;
  };
  return new HuntError(body.code ?? `HTTP_${status}`, body.detail ?? body.title ?? `the server answered ${status}`, {
    status,
    retryable: body.retryable ?? false,
    ...(body.retry_ms === undefined ? {} : { retryMs: body.retry_ms }),
    ...(body.errors === undefined ? {} : { errors: body.errors }),
    ...(body.instance === undefined ? {} : { instance: body.instance }),
  });
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { code?: string; message?: string } };
  return cause?.code ?? cause?.message ?? message ?? String(error);
}

function freshKey(): string {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
