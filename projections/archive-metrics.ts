/** What an archiver measures; the host registers the table and implements the port. */
export const archiveMetrics = {
  hunt_archive_slots: { kind: 'gauge', labels: [], help: 'Slots that this archiver looks after' },
  hunt_archive_lag_seconds: {
    kind: 'gauge',
    labels: [],
    help: 'Age of the oldest event that is in the log alone',
  },
  hunt_archive_pending_bytes: { kind: 'gauge', labels: [], help: 'Bytes of records that are in the log alone' },
  hunt_archive_log_bytes: { kind: 'gauge', labels: [], help: 'Bytes of records that have not left the log' },
  hunt_archive_objects_total: { kind: 'counter', labels: ['kind'], help: 'Objects written: records, catalog, mended' },
  hunt_archive_records_total: { kind: 'counter', labels: [], help: 'Records written into the archive' },
  hunt_archive_stored_bytes_total: { kind: 'counter', labels: [], help: 'Bytes of objects written' },
  hunt_archive_trims_total: { kind: 'counter', labels: [], help: 'Times that a slot of the log was trimmed' },
  hunt_archive_failures_total: {
    kind: 'counter',
    labels: ['step'],
    help: 'What did not come through, by step: it is tried again',
  },
  hunt_archive_away: {
    kind: 'gauge',
    labels: [],
    help: 'Whether the archive could not be written or read in the last round',
  },
  hunt_archive_faults: { kind: 'gauge', labels: [], help: 'Slots that cannot be archived without an operator' },
} as const;

export type ArchiveMetric = keyof typeof archiveMetrics;

export interface ArchiveMetrics {
  count(name: ArchiveMetric, by: number, label?: string): void;
  gauge(name: ArchiveMetric, value: number): void;
}

export const noArchiveMetrics: ArchiveMetrics = { count: () => {}, gauge: () => {} };
