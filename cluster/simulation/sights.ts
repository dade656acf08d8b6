/**
 * What was met in a run, counted: outcomes of appends, ends of activations, steps of the view, tails that were cut. Nothing is
 * judged by it; but a batch in which something never happens has not tested it, and fails for that ({@link expected}).
 */
import type { LiveMetrics } from '../../gateway/socket/live-metrics.ts';
import type { Metrics } from '../../runtime/metrics.ts';

export type Counts = Record<string, number>;

/** Counted by what the engine itself counts. */
const counted: Readonly<Record<string, string>> = {
  hunt_appends_total: 'append',
  hunt_passivations_total: 'activation ended',
  hunt_page_loads_total: 'pages loaded',
  hunt_resumes_total: 'subscription',
  hunt_nacks_total: 'nack',
  hunt_closes_total: 'socket closed',
};

export class Sights {
  readonly counts: Counts = {};

  add(what: string, by = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + by;
  }

  /** For nodes and gateways alike. */
  readonly metrics: Metrics & LiveMetrics = {
    count: (name: string, by: number, label?: string) => {
      const what = counted[name];
      if (what !== undefined) this.add(label === undefined ? what : `${what}: ${label}`, by);
    },
    gauge: () => undefined,
    observe: () => undefined,
  };
}

/** What a batch of at least {@link expectedFrom} seeds must have met. */
export const expectedFrom = 150;
export const expected: readonly string[] = [
  'append: appended',
  'append: conflict',
  'append: fenced',
  'append: refused',
  'append: ambiguous',
  'activation ended: idle',
  'activation ended: handoff',
  'activation ended: fenced',
  'activation ended: refused',
  'pages loaded',
  'subscription: tail',
  'subscription: snapshot',
  'subscription: reset',
  'nack: SEQ_CONFLICT',
  'nack: BUSY',
  'duplicate acknowledged',
  'disk: torn write',
  'disk: write refused',
  'log: torn tail cut',
  'log: segment rolled',
  'view: removed',
  'view: suspected',
  'view: moving',
  'view: left',
  'view: frozen',
  'view: turned',
  'alarm fired',
  'command abandoned',
];

export function merge(into: Counts, other: Readonly<Counts>): void {
  for (const [what, count] of Object.entries(other)) into[what] = (into[what] ?? 0) + count;
}
