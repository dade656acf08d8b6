/**
 * What the runtime measures, as the narrow port that it measures through. Names and labels are the contract's; the host
 * process implements it with its metrics library. Never labelled by actor or player: those have no bound.
 */
export const runtimeMetrics = {
  hunt_commands_total: {
    kind: 'counter',
    labels: ['action', 'outcome'],
    help: 'Commands decided, by action and outcome',
  },
  hunt_nacks_total: { kind: 'counter', labels: ['code'], help: 'Refusals sent, by code' },
  hunt_appends_total: { kind: 'counter', labels: ['outcome'], help: 'Appends to the event log, by outcome' },
  hunt_events_total: { kind: 'counter', labels: [], help: 'Events appended' },
  hunt_passivations_total: { kind: 'counter', labels: ['reason'], help: 'Activations that ended, by reason' },
  hunt_page_loads_total: { kind: 'counter', labels: [], help: 'Pages of member rows loaded' },
  hunt_append_seconds: { kind: 'histogram', labels: [], help: 'From the call of append to its outcome' },
  hunt_batch_events: { kind: 'histogram', labels: [], help: 'Events of one record' },
  hunt_activation_seconds: { kind: 'histogram', labels: [], help: 'From the first command to the active state' },
  hunt_alarm_delay_seconds: { kind: 'histogram', labels: [], help: 'From when an alarm was due to its decision' },
  hunt_activations: { kind: 'gauge', labels: [], help: 'Actors in memory' },
  hunt_mailbox_commands: { kind: 'gauge', labels: [], help: 'Commands that wait in mailboxes' },
  hunt_pages_dirty_bytes: {
    kind: 'gauge',
    labels: [],
    help: 'Estimated bytes of pages that the store does not hold yet',
  },
  hunt_page_cache_bytes: { kind: 'gauge', labels: [], help: 'Estimated bytes of member rows in memory' },
  hunt_slots_owned: { kind: 'gauge', labels: [], help: 'Slots that this node serves' },
  hunt_alarms_pending: { kind: 'gauge', labels: [], help: 'Alarms in the agendas of the slots served' },
} as const;

export type MetricName = keyof typeof runtimeMetrics;

export interface Metrics {
  count(name: MetricName, by: number, label?: string, secondLabel?: string): void;
  gauge(name: MetricName, value: number): void;
  observe(name: MetricName, value: number): void;
}

export const noMetrics: Metrics = { count: () => {}, gauge: () => {}, observe: () => {} };
