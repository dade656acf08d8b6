/** Follows an operation to its end, with a bar for whoever looks. */
import { HuntError } from '../../../gateway/sdk/hunt-error.ts';
import { exitCode } from '../exit-code.ts';
import { interrupted } from '../interrupt.ts';
import { localDateTime, type Output, table } from '../output.ts';
import { ProgressBar } from '../progress-bar.ts';
import type { Operation } from './answers.ts';
import type { RingApi } from './ring-api.ts';

const lookMs = 200;
/** A gateway that is restarted meanwhile is no reason to stop watching. */
const silentMsMax = 60_000;

export const isOver = ({ state }: Operation): boolean => state !== 'canary' && state !== 'running';

/** Resolves with the operation once it is over; undefined when the watcher was interrupted: it goes on without. */
export async function watchOperation(api: RingApi, begun: Operation, quiet: boolean): Promise<Operation | undefined> {
  const bar = new ProgressBar('{bar} {percentage}%  {note}', quiet);
  const stop = interrupted().then(() => 'interrupted' as const);
  try {
    for (let operation = begun, heardAt = Date.now(); ; ) {
      bar.update(operation.moves_total === 0 ? 1 : operation.moves_done / operation.moves_total, note(operation));
      if (isOver(operation)) return operation.moves === undefined ? await api.operation(operation.id) : operation;
      const pause = new Promise<'look'>((resolve) => setTimeout(() => resolve('look'), lookMs));
      if ((await Promise.race([pause, stop])) === 'interrupted') return undefined;
      try {
        operation = await api.operation(operation.id);
        heardAt = Date.now();
      } catch (error) {
        const isGone = error instanceof HuntError && error.code !== 'UNREACHABLE' && !error.retryable;
        if (isGone || Date.now() - heardAt > silentMsMax) throw error;
      }
    }
  } finally {
    bar.stop();
  }
}

const note = (one: Operation): string =>
  `${one.state}: ${one.moves_done} of ${one.moves_total} slots, longest stall ${one.stall_ms_max} ms`;

/** The result of a command that started an operation: exit 1 unless it came to the end that was wanted. */
export function reportOperation(out: Output, operation: Operation | undefined, id: string, wanted: string): void {
  if (operation === undefined) {
    out.progress(`${id} goes on: hunt ring show tells how far it is, hunt ring rollback ${id} takes it back`);
    process.exitCode = exitCode.interrupted;
    return;
  }
  out.result(operation, () => describeOperation(operation));
  if (operation.state !== wanted) process.exitCode = exitCode.no;
}

export function describeOperation(one: Operation): string {
  const took = one.ended_at === undefined ? '' : ` in ${((one.ended_at - one.started_at) / 1_000).toFixed(1)} s`;
  const measured = (one.moves ?? []).map((move) => move.measured_ms).filter((ms) => ms !== undefined);
  const predicted = Math.max(0, ...(one.moves ?? []).map((move) => move.stall_ms));
  const stall =
    measured.length === 0 ? '' : `, longest stall ${one.stall_ms_max} ms (predicted ${predicted.toFixed(0)} ms)`;
  const why = one.error === undefined ? '' : `\n  ${one.error}`;
  return `${one.id} ${one.kind}${one.node === undefined ? '' : ` ${one.node}`}: ${one.state}, ${one.moves_done} of ${one.moves_total} slots${took}${stall}${why}`;
}

export const operationsTable = (operations: readonly Operation[], paint: Output['paint']): string =>
  table(
    ['OPERATION', 'KIND', 'NODE', 'STATE', '>SLOTS', '>STALL MS', 'STARTED', 'BY', 'REASON'],
    operations.map((one) => [
      one.id,
      one.kind,
      one.node ?? '',
      one.state,
      `${one.moves_done}/${one.moves_total}`,
      one.stall_ms_max,
      localDateTime(one.started_at),
      one.by,
      one.error ?? one.reason,
    ]),
    paint,
  );
