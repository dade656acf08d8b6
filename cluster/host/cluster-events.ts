import { ClusterEvent } from '../../proto/generated/node/v1/cluster.ts';
import { Record as LogBatch } from '../../proto/generated/node/v1/record.ts';
import type { LogRecord } from '../../runtime/log/event-log.ts';

/** One change of the cluster, for the audit trail. */
export interface ShownClusterEvent {
  /** The number of the view that it made. */
  readonly view: number;
  readonly type: string;
  readonly at: number;
  readonly by: string;
  readonly reason: string;
  readonly detail: object;
}

const types: Readonly<Record<NonNullable<ClusterEvent['outcome']>['$case'], string>> = {
  formed: 'ClusterFormed',
  joined: 'NodeJoined',
  left: 'NodeLeft',
  assigned: 'SlotsAssigned',
  suspected: 'NodeSuspected',
  cleared: 'NodeCleared',
  removed: 'NodeRemoved',
  frozen: 'Frozen',
  unfrozen: 'Unfrozen',
  started: 'OperationStarted',
  moving: 'SlotsMoving',
  cancelled: 'MovesCancelled',
  served: 'SlotsServed',
  judged: 'CanaryJudged',
  turned: 'OperationTurned',
  ended: 'OperationEnded',
};

export const showClusterEvents = (record: LogRecord): ShownClusterEvent[] =>
  LogBatch.decode(record.bytes).events.map((bytes) => {
    const { version, outcome, occurredAt, by, reason } = ClusterEvent.decode(bytes);
    const type = outcome === undefined ? 'Unknown' : types[outcome.$case];
    return { view: version, type, at: occurredAt, by, reason, detail: outcome?.value ?? {} };
  });
