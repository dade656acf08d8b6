import type { HttpApi } from '../../../gateway/sdk/http-api.ts';
import type { Operation, Plan, Ring } from './answers.ts';

/**
 * The cluster's routes. None is sent with an Idempotency-Key: each is harmless when it is sent again, and must work while the
 * slots of the keys' actors are in trouble.
 */
export class RingApi {
  constructor(private readonly api: HttpApi) {}

  show(): Promise<Ring> {
    return this.api.cluster();
  }
  plan(change: object): Promise<Plan> {
    return this.#post('plan', change);
  }
  apply(planId: string, pace: { moves_per_s?: number; canary_s?: number }): Promise<Operation> {
    return this.#post('apply', { plan_id: planId, ...pace });
  }
  operation(id: string): Promise<Operation> {
    return this.api.request('GET', `/v1/cluster/operations/${encodeURIComponent(id)}`);
  }
  rollBack(id: string): Promise<Operation> {
    return this.#post(`operations/${encodeURIComponent(id)}/rollback`, {});
  }
  drain(node: string, wish: object): Promise<Operation> {
    return this.#post(`nodes/${encodeURIComponent(node)}/drain`, wish);
  }
  freeze(reason: string, expiresS: number): Promise<{ frozen: Ring['frozen'] }> {
    return this.#post('freeze', { reason, expires_s: expiresS });
  }
  unfreeze(): Promise<{ frozen: null }> {
    return this.#post('unfreeze', {});
  }
  history(from: number, limit: number): Promise<{ events: ClusterChangeEvent[]; next: number | null }> {
    return this.api.request('GET', `/v1/cluster/events?from=${from}&limit=${limit}`);
  }

  #post<T>(path: string, body: object): Promise<T> {
    return this.api.request('POST', `/v1/cluster/${path}`, {
      body: JSON.stringify(body),
      type: 'application/json',
      keyless: true,
    });
  }
}

export interface ClusterChangeEvent {
  view: number;
  type: string;
  at: number;
  by: string;
  reason: string;
  detail: object;
}
