import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** One row of a part's own table of metrics: the part declares what it measures, the host registers it. */
export interface MetricRow {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

/** From half a millisecond to ten seconds, for everything that ends in `_seconds`. */
const secondsBuckets = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];
const countBuckets = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/** Counts, gauges and observations by name, with label values in the order of the table. */
export interface NamedMetrics<N extends string> {
  count(name: N, by: number, ...labels: (string | undefined)[]): void;
  gauge(name: N, value: number, ...labels: (string | undefined)[]): void;
  observe(name: N, value: number, ...labels: (string | undefined)[]): void;
}

/** Registers the table's metrics. Metrics without labels are shown from the start, at 0. */
export function registerMetrics<N extends string>(
  registry: Registry,
  table: Readonly<Record<N, MetricRow>>,
): NamedMetrics<N> {
  const counters = new Map<string, Tally>();
  const gauges = new Map<string, Gauge>();
  const histograms = new Map<string, Histogram>();
  for (const [name, row] of Object.entries<MetricRow>(table)) {
    const common = { name, help: row.help, labelNames: [...row.labels], registers: [registry] };
    if (row.kind === 'counter') counters.set(name, new Tally(common));
    else if (row.kind === 'gauge') gauges.set(name, new Gauge(common));
    else
      histograms.set(
        name,
        new Histogram({ ...common, buckets: name.endsWith('_seconds') ? secondsBuckets : countBuckets }),
      );
  }
  const texts = (labels: (string | undefined)[]) => labels.filter((label): label is string => label !== undefined);
  return {
    count: (name, by, first, second) => counters.get(name)?.add(by, first, second),
    gauge: (name, value, ...labels) => {
      const gauge = gauges.get(name);
      if (labels.length === 0) gauge?.set(value);
      else gauge?.labels(...texts(labels)).set(value);
    },
    observe: (name, value, ...labels) => {
      const histogram = histograms.get(name);
      if (labels.length === 0) histogram?.observe(value);
      else histogram?.labels(...texts(labels)).observe(value);
    },
  };
}

/**
 * A counter that several things a command count in: a plain sum per pair of labels, handed to the registry only when
 * somebody looks (prom-client sorts and joins the labels at each call).
 */
class Tally {
  readonly #sums = new Map<string, Map<string, number>>();

  constructor(common: { name: string; help: string; labelNames: string[]; registers: Registry[] }) {
    const sums = this.#sums;
    new Counter({
      ...common,
      collect() {
        this.reset();
        for (const [first, bySecond] of sums)
          for (const [second, sum] of bySecond) this.inc(labelled(common.labelNames, first, second), sum);
      },
    });
  }

  add(by: number, first = '', second = ''): void {
    let bySecond = this.#sums.get(first);
    if (bySecond === undefined) {
      bySecond = new Map();
      this.#sums.set(first, bySecond);
    }
    bySecond.set(second, (bySecond.get(second) ?? 0) + by);
  }
}

const labelled = (
  [firstName, secondName]: readonly string[],
  first: string,
  second: string,
): Record<string, string> => ({
  ...(firstName === undefined || first === '' ? {} : { [firstName]: first }),
  ...(secondName === undefined || second === '' ? {} : { [secondName]: second }),
});

/** What every process that follows the view shows of it. */
export const viewMetrics = {
  hunt_view: { kind: 'gauge', labels: [], help: 'The number of the newest view that this process knows' },
} as const;
/** What a node shows of its slots besides what the runtime measures. */
export const slotMetrics = {
  hunt_slot_moves_total: { kind: 'counter', labels: ['reason'], help: 'Slots that this node took, by reason' },
  hunt_slot_stall_seconds: {
    kind: 'histogram',
    labels: [],
    help: 'From the view that gave a slot to this node until it served it',
  },
} as const;
