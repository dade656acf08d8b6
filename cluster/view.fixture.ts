/** Views for tests: what they are after these outcomes, decided or given. */
import { ClusterEvent } from '../proto/generated/node/v1/cluster.ts';
import { evolveView } from './evolve-view.ts';
import { form, join } from './formation.ts';
import { emptyView, type View } from './view.ts';
import type { ClusterOutcome, ViewDecision } from './view-log.ts';

/** The time of a test's events unless it says otherwise. */
export const testNow = 1_000_000;

export interface Said {
  readonly at?: number;
  readonly by?: string;
  readonly reason?: string;
}

export const event = (version: number, outcome: ClusterOutcome, said: Said = {}): ClusterEvent => ({
  ...ClusterEvent.decode(new Uint8Array()),
  version,
  occurredAt: said.at ?? testNow,
  by: said.by ?? '',
  reason: said.reason ?? '',
  outcome,
});

/** After one outcome; the same view if the decision wants nothing. */
export function stepped(view: View, step: ClusterOutcome | ViewDecision, said: Said = {}): View {
  const outcome = typeof step === 'function' ? step(view, said.at ?? testNow) : step;
  return outcome === undefined ? view : evolveView(view, event(view.number + 1, outcome, said));
}
export const applied = (view: View, ...steps: (ClusterOutcome | ViewDecision)[]): View =>
  steps.reduce((at, step) => stepped(at, step), view);

export const formationOf = (members: readonly string[]) => ({
  cluster: 'local',
  profile: 'embedded',
  members,
  weight: 1,
  lineage: 'L1',
});
export const nodeAddress = (id: string) => ({ id, addr: `/run/${id}.sock`, http: `http://${id}`, weight: 1 });
export const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => `n${i + 1}`);

/** All of them joined, at {@link testNow}. */
export const running = (count: number): View =>
  applied(emptyView, form(formationOf(ids(count))), ...ids(count).map((id) => join(nodeAddress(id))));
