import type { OperationRow } from '../../gateway/admin/ports.ts';
import { movesDone, type Operation } from '../operation.ts';

const rounded = (ms: number): number => Math.round(ms * 10) / 10;

/** An operation as operators see it; with its moves, predicted beside measured, where it is asked for alone. */
export function operationRow(operation: Operation, withMoves: boolean): OperationRow {
  const { id, kind, state, moves, startedAt, endedAt, node, error, by, reason, stallMsMax } = operation;
  return {
    id,
    kind,
    state,
    moves_total: moves.length,
    moves_done: movesDone(operation),
    stall_ms_max: rounded(stallMsMax),
    started_at: startedAt,
    ...(endedAt === undefined ? {} : { ended_at: endedAt }),
    ...(node === undefined ? {} : { node }),
    ...(error === undefined ? {} : { error }),
    by,
    reason,
    ...(withMoves
      ? {
          moves: moves.map((move) => ({
            slot: move.slot,
            from: move.from,
            to: move.to,
            reason: move.reason,
            state: move.state,
            bytes: move.bytes,
            stall_ms: move.stallMs,
            ...(move.measuredMs === undefined ? {} : { measured_ms: rounded(move.measuredMs) }),
          })),
        }
      : {}),
  };
}
