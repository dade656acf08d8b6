/** What the cluster answers about itself (PROTOCOL.md), as far as the command line looks at it. */
export interface Operation {
  id: string;
  kind: string;
  state: 'canary' | 'running' | 'done' | 'failed' | 'rolled_back';
  moves_total: number;
  moves_done: number;
  stall_ms_max: number;
  started_at: number;
  ended_at?: number;
  node?: string;
  error?: string;
  by: string;
  reason: string;
  moves?: OperationMove[];
}

export interface OperationMove {
  slot: number;
  from: string;
  to: string;
  reason: string;
  state: string;
  bytes: number;
  stall_ms: number;
  measured_ms?: number;
}

export interface Ring {
  cluster: string;
  profile: string;
  view: number;
  frozen: { reason: string; by: string; until: number } | null;
  nodes: {
    id: string;
    state: string;
    weight: number;
    incarnation: number;
    addr: string;
    slots: number;
    hunts: number;
    since: number;
    removals?: number;
  }[];
  owners: string[];
  pins: Record<string, string>;
  operations: Operation[];
  parked: { node: string; hunt: string; code: string; message: string }[];
  unserved: { node: string; slot: number; for_ms: number; reason: string }[];
  lag?: Record<string, FollowerLag>;
}

export interface FollowerLag {
  events: number;
  seconds: number;
  parked?: { hunt: string; message: string }[];
  fault?: string;
}

export interface Plan {
  plan_id: string;
  view: number;
  moves: { slot: number; from: string; to: string; reason: string; bytes: number; stall_ms: number }[];
  slots_after: Record<string, number>;
  imbalance_after: number;
}
