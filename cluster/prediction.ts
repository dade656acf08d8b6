/** What a move will cost, from what the owner holds and from what moves have cost so far. Pure. */
import type { View } from './view.ts';

/** Before any move was measured: the log's round trips of a handover on one machine. */
const stallMsGuess = 30;
/** What the new owner must read and fold before it answers, taken from activations under load. */
const stallMsPerMegabyte = 8;
const stallMsPerThousandEvents = 2;
const megabyte = 1024 * 1024;

export interface SlotCost {
  readonly bytes: number;
  readonly tailEvents: number;
}

export function predictStallMs(view: View, cost: SlotCost | undefined): number {
  const measured = view.operations
    .flatMap((operation) => operation.moves.map((move) => move.measuredMs))
    .filter((ms) => ms !== undefined)
    .sort((a, b) => a - b);
  const usual = measured[Math.floor(measured.length / 2)] ?? stallMsGuess;
  const { bytes, tailEvents } = cost ?? { bytes: 0, tailEvents: 0 };
  const ms = usual + (bytes / megabyte) * stallMsPerMegabyte + (tailEvents / 1_000) * stallMsPerThousandEvents;
  return Math.round(ms * 10) / 10;
}
