/** What the live path measures, through a port of the runtime's shape; the host implements it with its metrics library. */
export const liveMetrics = {
  hunt_sockets: { kind: 'gauge', labels: [], help: 'Open sockets' },
  hunt_accepts_total: { kind: 'counter', labels: ['outcome'], help: 'Upgrades, by outcome' },
  hunt_closes_total: { kind: 'counter', labels: ['code'], help: 'Closed sockets, by close code' },
  hunt_sockets_lagging: { kind: 'gauge', labels: [], help: 'Sockets that are too slow for live delivery' },
  hunt_outbox_bytes: { kind: 'gauge', labels: [], help: 'Bytes that wait to leave on all sockets' },
  hunt_frames_encoded_total: { kind: 'counter', labels: [], help: 'Event frames made' },
  hunt_frames_sent_total: { kind: 'counter', labels: [], help: 'Frames written to sockets' },
  hunt_fanout_seconds: { kind: 'histogram', labels: [], help: 'From the committed record to the last socket write' },
  hunt_resumes_total: { kind: 'counter', labels: ['outcome'], help: 'Subscriptions, by how they began' },
  hunt_command_seconds: { kind: 'histogram', labels: [], help: 'From a command in to its reply out' },
  hunt_commands_total: {
    kind: 'counter',
    labels: ['action', 'outcome'],
    help: 'Commands answered, by action and outcome',
  },
  hunt_nacks_total: { kind: 'counter', labels: ['code'], help: 'Refusals sent, by code' },
} as const;

export type LiveMetricName = keyof typeof liveMetrics;

export interface LiveMetrics {
  count(name: LiveMetricName, by: number, label?: string, secondLabel?: string): void;
  gauge(name: LiveMetricName, value: number): void;
  observe(name: LiveMetricName, value: number): void;
}

export const noLiveMetrics: LiveMetrics = { count: () => {}, gauge: () => {}, observe: () => {} };
