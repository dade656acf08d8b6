/** Operators' acts over HTTP, past every bridge: whichever gateway answers first. Owns the last operation's id, for a rollback. */
import { systemClock } from '../../../../runtime/kernel/clock.ts';
import { callHttp } from '../bare-http.ts';
import { delay } from '../deadline.ts';
import type { FullEvent } from '../wire.ts';
import type { ChaosBed } from './bed.ts';

const answerMsMax = 20_000;
const againMs = 300;

export class Operator {
  #last: string | undefined;

  constructor(private readonly bed: ChaosBed) {}

  /** Throws when it is refused. */
  async drain(node: string): Promise<string> {
    const { id } = await this.#post<{ id: string }>(`nodes/${node}/drain`, { deadline_s: 20, restart: true });
    return `operation ${id}`;
  }

  async move(weights: Readonly<Record<string, number>>, canaryS: number): Promise<string> {
    const plan = await this.#post<{ plan_id: string; moves: unknown[] }>('plan', { weights });
    const { id } = await this.#post<{ id: string }>('apply', {
      plan_id: plan.plan_id,
      moves_per_s: 50,
      canary_s: canaryS,
    });
    this.#last = id;
    return `operation ${id}, ${plan.moves.length} moves`;
  }

  async rollBack(): Promise<string> {
    if (this.#last === undefined) await this.move({ n1: 4 }, 1);
    const { id } = await this.#post<{ id: string }>(`operations/${this.#last}/rollback`, {});
    this.#last = undefined;
    return `operation ${id}`;
  }

  async freeze(forS: number): Promise<string> {
    await this.#post('freeze', { reason: 'a quiet evening', expires_s: forS });
    return `for ${forS} s`;
  }

  unfreeze(): Promise<unknown> {
    return this.#post('unfreeze', {});
  }

  /** Of that hunt, from the log. */
  async events(hunt: number): Promise<FullEvent[]> {
    const events: FullEvent[] = [];
    for (let from: number | null = 0; from !== null; ) {
      const page: { events: FullEvent[]; next: number | null } = await this.#ask(
        'GET',
        `/v1/hunts/${hunt}/events?from=${from}&limit=5000`,
      );
      events.push(...page.events);
      from = page.next;
    }
    return events;
  }

  /** What `GET /v1/cluster` says. */
  async cluster(): Promise<ClusterAnswer> {
    return this.#ask<ClusterAnswer>('GET', '/v1/cluster');
  }

  #post<T>(path: string, body: object): Promise<T> {
    return this.#ask<T>('POST', `/v1/cluster/${path}`, body);
  }

  async #ask<T>(method: string, path: string, body?: object): Promise<T> {
    const { bed } = this;
    const until = systemClock.monotonic() + answerMsMax;
    let last = 'nobody answers';
    for (let tries = 0; systemClock.monotonic() < until; tries++) {
      const gateway = bed.gateways[tries % bed.gateways.length] as string;
      try {
        const answer = await callHttp(`http://127.0.0.1:${bed.portOf(gateway)}`, method, path, {
          token: bed.cluster.mint({ sub: 'otto', role: 'operator' }),
          ...(body === undefined ? {} : { body }),
        });
        if (answer.status < 300) return answer.json as T;
        const { code, detail } = (answer.json ?? {}) as { code?: string; detail?: string };
        last = `${answer.status} ${code} ${detail}`;
        if (answer.status < 500) throw new Refused(`${method} ${path}: ${last}`);
      } catch (error) {
        if (error instanceof Refused) throw error;
        last = (error as Error).message;
      }
      await delay(againMs);
    }
    throw new Error(`${method} ${path}: ${last}`);
  }
}

class Refused extends Error {}

export const isUnderWay = ({ state }: { readonly state: string }): boolean => state === 'canary' || state === 'running';

export interface ClusterAnswer {
  readonly nodes: readonly { readonly id: string; readonly state: string }[];
  readonly frozen: object | null;
  readonly lag: { readonly projection: Lag; readonly relay?: Lag };
  readonly operations: readonly { readonly id: string; readonly state: string }[];
  readonly parked?: readonly object[];
}
interface Lag {
  readonly events: number;
  readonly seconds: number;
}
