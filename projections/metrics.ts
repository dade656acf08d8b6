/** What a projector measures; the host registers the table and implements the port. Never labelled by hunt. */
export const projectionMetrics = {
  hunt_projection_lag_events: {
    kind: 'gauge',
    labels: [],
    help: 'Events of hunts that are in the log and not in the rows',
  },
  hunt_projection_lag_seconds: {
    kind: 'gauge',
    labels: [],
    help: 'How long the oldest event that is not in the rows has waited',
  },
  hunt_projection_events_total: { kind: 'counter', labels: [], help: 'Events of hunts written into rows' },
  hunt_projection_rows_total: { kind: 'counter', labels: ['table'], help: 'Rows written, by table' },
  hunt_projection_transactions_total: {
    kind: 'counter',
    labels: ['outcome'],
    help: 'Transactions of slots, by outcome: applied, stale (another projector was first), unknown, failed',
  },
  hunt_projection_transaction_seconds: {
    kind: 'histogram',
    labels: [],
    help: 'From reading a batch of a slot to its commit',
  },
  hunt_projection_slots: { kind: 'gauge', labels: [], help: 'Slots that this projector owns' },
  hunt_projection_parked: {
    kind: 'gauge',
    labels: [],
    help: 'Hunts that are not projected: an event cannot be folded',
  },
  hunt_projection_faults: { kind: 'gauge', labels: [], help: 'Slots that cannot go on without an operator' },
} as const;

export type ProjectionMetric = keyof typeof projectionMetrics;

export interface ProjectionMetrics {
  count(name: ProjectionMetric, by: number, label?: string): void;
  gauge(name: ProjectionMetric, value: number): void;
  observe(name: ProjectionMetric, value: number): void;
}

export const noProjectionMetrics: ProjectionMetrics = { count: () => {}, gauge: () => {}, observe: () => {} };
