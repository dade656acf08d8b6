/**
 * A change of the cluster that takes several steps: what it wants, how far it is. Part of the view, so that every process
 * sees the same and any node may carry it on (coordinator.ts). Pure.
 */
import type { After, OperationStarted, PlannedMove } from '../proto/generated/node/v1/cluster.ts';
import type { Pin } from './view.ts';

/** apply: a plan of an operator. drain: all slots of a node. join: its share for a node that came (back). */
export type OperationKind = 'apply' | 'drain' | 'join';
export type OperationState = 'canary' | 'running' | 'done' | 'failed' | 'rolled_back';

/** waiting: not begun. moving: the owner prepares. assigned: the new owner has it and does not serve yet. served: done. */
export type MoveState = 'waiting' | 'moving' | 'assigned' | 'served';

export interface Move {
  readonly slot: number;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  /** Predicted. */
  readonly bytes: number;
  readonly stallMs: number;
  readonly state: MoveState;
  /** When it came to be in that state. */
  readonly since: number;
  /** How long the old owner had served nothing when it gave the slot to the new one. */
  readonly stoppedMs: number;
  /** Measured, once it is served. */
  readonly measuredMs: number | undefined;
}

/** What an operation has changed besides owners, as it was before: a rollback restores it. */
export interface Before {
  readonly weights: ReadonlyMap<string, number>;
  /** undefined: there was no pin. */
  readonly pins: ReadonlyMap<number, Pin | undefined>;
}

export interface Operation {
  readonly id: string;
  readonly kind: OperationKind;
  readonly state: OperationState;
  /** It takes back what it did; its moves are the way back. */
  readonly back: boolean;
  readonly node: string | undefined;
  readonly by: string;
  readonly reason: string;
  readonly startedAt: number;
  readonly endedAt: number | undefined;
  readonly error: string | undefined;
  readonly moves: readonly Move[];
  readonly movesPerS: number;
  readonly canaryS: number;
  /** ms since 1970; 0: none. */
  readonly deadlineAt: number;
  readonly after: After;
  readonly remove: readonly string[];
  readonly before: Before;
  /** When the last move was begun. */
  readonly steppedAt: number;
  /** What the new owner of the first slot said about it. */
  readonly canary: { readonly healthy: boolean; readonly detail: string } | undefined;
  /** Measured, of all moves, there and back. */
  readonly stallMsMax: number;
}

/** Operations that are over and still shown. */
export const operationsKept = 20;

export const isRunning = (operation: Operation): boolean =>
  operation.state === 'canary' || operation.state === 'running';
export const movesDone = (operation: Operation): number =>
  operation.moves.filter((move) => move.state === 'served').length;

export const movesOf = (
  planned: readonly PlannedMove[],
  owners: readonly (string | undefined)[],
  at: number,
): readonly Move[] =>
  planned.map(({ slot, to, reason, bytes, stallMs }) => ({
    slot,
    from: owners[slot] ?? '',
    to,
    reason,
    bytes,
    stallMs,
    state: owners[slot] === to ? 'served' : 'waiting',
    since: at,
    stoppedMs: 0,
    measuredMs: undefined,
  }));

export function begun(
  started: OperationStarted,
  said: { readonly at: number; readonly by: string; readonly reason: string },
  owners: readonly (string | undefined)[],
  before: Before,
): Operation {
  return {
    id: started.id,
    kind: started.kind as OperationKind,
    state: started.canaryS > 0 && started.moves.length > 0 ? 'canary' : 'running',
    back: false,
    node: started.node === '' ? undefined : started.node,
    by: said.by,
    reason: said.reason,
    startedAt: said.at,
    endedAt: undefined,
    error: undefined,
    moves: movesOf(started.moves, owners, said.at),
    movesPerS: started.movesPerS,
    canaryS: started.canaryS,
    deadlineAt: started.deadlineAt,
    after: started.after,
    remove: started.remove,
    before,
    steppedAt: 0,
    canary: undefined,
    stallMsMax: 0,
  };
}

/** With one move changed; the same operation if it has no such move. */
export function withMove(operation: Operation, slot: number, change: Partial<Move>): Operation {
  if (!operation.moves.some((move) => move.slot === slot)) return operation;
  return {
    ...operation,
    moves: operation.moves.map((move) => (move.slot === slot ? { ...move, ...change } : move)),
  };
}

export const ended = (operation: Operation, state: OperationState, at: number, error?: string): Operation => ({
  ...operation,
  state,
  endedAt: at,
  error: error === undefined || error === '' ? operation.error : error,
});
