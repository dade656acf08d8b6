/** For tests of the edge: actors that keep just enough to answer as the real ones do, and everything else a gateway needs. */
import { Registry } from 'prom-client';
import type { Event } from '../../proto/generated/hunt/v1/event.ts';
import { SubmitReply, SubmitRequest } from '../../proto/generated/hunt/v1/ingest.ts';
import { type StreamId, slotOf, streamKey } from '../../proto/ids.ts';
import { systemRandom } from '../../runtime/kernel/random.ts';
import { systemTimers } from '../../runtime/kernel/timer.ts';
import { nackReply } from '../act/reply.ts';
import type { CallOutcome, Route } from '../act/route.ts';
import { Buckets } from '../socket/bucket.ts';
import { Tokens } from '../token/tokens.ts';
import type { AdminPorts, Check, EventPage, HuntCatalog } from './ports.ts';
import { ScriptedCluster } from './scripted-cluster.ts';

interface Hunt {
  owner: string;
  join_code: string;
  title: string;
  status: string;
  version: number;
  admission: string;
  closes_at?: number;
  board_show: string;
}
type Refused = Extract<CallOutcome, { ok: false }>;

const ok = (body: unknown, version = 1): CallOutcome => ({ ok: true, version, body });
const refuse = (code: Refused['code'], message = 'the scripted actor refuses this'): Refused => ({
  ok: false,
  code,
  message,
});

export class ScriptedWorld implements Route {
  now = Date.UTC(2026, 5, 6, 10);
  readonly clock = { now: () => this.now, monotonic: () => this.now };
  readonly hunts = new Map<number, Hunt>();
  readonly codes = new Map<number, number>();
  readonly keys = new Map<number, { body_hash: string; minted: unknown; at: number; answer?: object }>();
  readonly calls: { stream: StreamId; method: string; body: Record<string, unknown> }[] = [];
  /** What the next calls of a method answer instead. */
  readonly instead = new Map<string, CallOutcome[]>();
  readonly submitted: SubmitRequest[] = [];
  readonly faults: object[] = [];
  /** Holds replies to submissions back until it resolves. */
  gate: Promise<void> = Promise.resolve();
  checks: Check[] = [{ name: 'log', ok: true }];
  /** Undefined: no PostgreSQL. Read when the ports are made. */
  catalog: HuntCatalog | undefined;
  readonly key = new Uint8Array(32).fill(5);
  readonly tokens = new Tokens(this.clock, systemRandom, { key: this.key });
  readonly cluster = new ScriptedCluster();
  readonly players = new Buckets({ perSecond: 10, burst: 30 });
  oldest = 1;

  ports(): AdminPorts {
    return {
      clock: this.clock,
      timers: systemTimers,
      random: systemRandom,
      route: this,
      tokens: this.tokens,
      ...(this.catalog === undefined ? {} : { catalog: this.catalog }),
      metrics: new Registry(),
      journal: { error: (facts) => this.faults.push(facts) },
      shadowRun: async (huntId) => ({
        events: this.hunts.get(huntId)?.version ?? 0,
        differences: [{ version: 2, player: 'anna', was: 'StageCompleted', would_be: 'NOT_FOUND' }],
        more: 0,
      }),
      scoreboards: { read: async () => undefined, keep: () => undefined },
      admitAct: (player) => this.players.take(player, this.now),
      readiness: () => this.checks,
      cluster: this.cluster,
      events: {
        read: async (huntId, from, limit): Promise<EventPage> => {
          const head = this.hunts.get(huntId)?.version ?? 0;
          const events: Event[] = [];
          for (let version = from + 1; version <= head && events.length < limit; version++) {
            events.push({
              huntId,
              version,
              playerId: '@admin',
              seq: 0,
              occurredAt: this.now,
              vector: [{ node: 'n1@1', count: version }],
              teamId: '',
              by: '',
              fingerprint: 0,
              points: 0,
              outcome: { $case: 'announced', value: { text: 'x' } },
            });
          }
          return { events, head, oldest: this.oldest };
        },
        show: (event) => ({
          version: event.version,
          player: event.playerId,
          type: 'Announced',
          at: event.occurredAt,
          vector: { 'n1@1': event.version },
        }),
      },
      parseDefinition: async ({ text }) => {
        try {
          const definition = JSON.parse(text) as { title?: string };
          return definition.title
            ? { ok: true, definition, warnings: [] }
            : { ok: false, errors: [{ path: '/title', message: 'is missing' }] };
        } catch {
          return { ok: false, errors: [{ path: '', message: 'is not JSON' }] };
        }
      },
    };
  }

  addHunt(id: number, hunt: Partial<Hunt> = {}): number {
    this.hunts.set(id, {
      owner: 'dora',
      join_code: 'K7Q4MX',
      title: 'Old Town',
      status: 'open',
      version: 3,
      admission: 'code',
      board_show: 'live',
      ...hunt,
    });
    return id;
  }

  async token(role: 'player' | 'designer' | 'operator', sub: string, hunt?: number | number[] | '*'): Promise<string> {
    return await this.tokens.mintToken({
      sub,
      role,
      expiresAt: this.now + 3_600_000,
      ...(hunt === undefined ? {} : { hunt }),
    });
  }

  async call(stream: StreamId, method: string, given: unknown): Promise<CallOutcome> {
    const body = given as Record<string, unknown>;
    this.calls.push({ stream, method, body });
    const instead = this.instead.get(method)?.shift();
    if (instead !== undefined) return instead;
    if (stream.kind === 'code') return this.#code(stream.id, method, body);
    if (stream.kind === 'key') return this.#key(stream.id, method, body);
    const hunt = this.hunts.get(stream.id);
    if (method === 'create') return this.#create(stream.id, body);
    if (hunt === undefined) return refuse('HUNT_NOT_FOUND', `there is no ${streamKey(stream)}`);
    switch (method) {
      case 'access':
        return ok({ ...hunt, entry: 'solo', feed: 'all', lineage: 'l', definition_version: 1 }, hunt.version);
      case 'show':
        return Number(body.at_version ?? 1) > hunt.version
          ? refuse('NOT_FOUND')
          : ok(
              {
                hunt_id: stream.id,
                ...hunt,
                slot: slotOf(stream.id),
                lineage: 'l',
                definition_version: 1,
                definition: {},
                state: { hunt_id: stream.id },
              },
              hunt.version,
            );
      case 'views':
        return ok({
          version: hunt.version,
          lineage: 'l',
          feed: 'all',
          entry: 'solo',
          hunt: { hunt_id: stream.id },
          players: Object.fromEntries((body.players as string[]).map((player) => [player, { me: { player } }])),
        });
      case 'scoreboard':
        return ok({
          version: hunt.version,
          entrants: 1,
          entries: [{ rank: 1, player: 'anna', name: 'Anna', points: 5, reached_version: 2 }],
        });
      case 'export':
        return ok({ csv: 'rank,id\n1,anna\n' });
      default:
        hunt.version++;
        return ok(
          { status: hunt.status, total: 7, closes_at: 99, ...(method === 'publish' ? { definition_version: 2 } : {}) },
          hunt.version,
        );
    }
  }

  submit(huntId: number, playerId: string, seq: number, request: Uint8Array, done: (reply: Uint8Array) => void): void {
    const decoded = SubmitRequest.decode(request.slice());
    this.submitted.push(decoded);
    void this.gate.then(() => {
      if (decoded.action?.action?.$case === 'scan')
        return done(nackReply({ huntId, playerId, seq }, 'WRONG_CODE', 'that code fits nothing'));
      done(
        SubmitReply.encode({
          huntId,
          playerId,
          seq,
          outcome: {
            $case: 'ack',
            value: {
              version: 9,
              events: 1,
              duplicate: false,
              result: {
                points: 0,
                total: 0,
                stage: '',
                treasure: '',
                clue: '',
                team: '',
                name: 'Anna',
                bonus: 0,
                first: false,
                text: '',
                rejoined: false,
                finishedAt: 0,
                opened: [],
              },
            },
          },
        }).finish(),
      );
    });
  }

  #create(id: number, body: Record<string, unknown>): CallOutcome {
    if (this.hunts.has(id)) return refuse('ALREADY_DONE');
    this.addHunt(id, {
      owner: String(body.owner),
      join_code: String(body.join_code),
      title: String((body.definition as { title: string }).title),
      status: 'draft',
      version: 1,
    });
    return ok({ status: 'draft' }, 1);
  }

  #code(id: number, method: string, body: Record<string, unknown>): CallOutcome {
    const holder = this.codes.get(id);
    if (method === 'get') return holder === undefined ? refuse('HUNT_NOT_FOUND') : ok({ hunt_id: holder });
    if (holder !== undefined) return refuse('ALREADY_DONE');
    this.codes.set(id, Number(body.hunt_id));
    return ok({ hunt_id: body.hunt_id });
  }

  #key(id: number, method: string, body: Record<string, unknown>): CallOutcome {
    const known = this.keys.get(id);
    if (method === 'get') return known?.answer === undefined ? refuse('NOT_FOUND') : ok(known.answer);
    if (method === 'answer') {
      if (known !== undefined) known.answer = { status: body.status, body: body.body, location: body.location };
      return ok({}, 2);
    }
    if (known === undefined) {
      this.keys.set(id, { body_hash: String(body.body_hash), minted: body.minted, at: this.now });
      return ok({ state: 'begun', minted: body.minted });
    }
    if (known.body_hash !== body.body_hash) return refuse('SEQ_CONFLICT');
    if (known.answer !== undefined) return refuse('ALREADY_DONE');
    if (this.now - known.at < 30_000) return refuse('BUSY');
    known.at = this.now;
    return ok({ state: 'taken_over', minted: known.minted });
  }
}
