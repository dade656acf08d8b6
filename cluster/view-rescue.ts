import type { Slot } from '../proto/ids.ts';
import type { View } from './view.ts';
import type { ViewLog } from './view-log.ts';

const raiseMsMax = 60_000;

/**
 * A view whose log has lost its last events numbers views again that slots were taken under: whoever owns a slot then is
 * fenced by its own past. (The log of the hunts and that of the view can only part where they lie on different servers.)
 * Appends events that change nothing until the next view is later than every epoch up to `epoch`.
 */
export async function raiseView(viewLog: ViewLog, epoch: number, by: string): Promise<void> {
  while (viewLog.view.number < epoch) {
    await viewLog.append(
      (view) =>
        view.number < epoch ? { $case: 'assigned', value: { slots: [], operation: '', stoppedMs: 0 } } : undefined,
      { deadlineMs: raiseMsMax, reason: `slots were taken under epoch ${epoch}, of which this view knows nothing`, by },
    );
  }
}

/** Whether that view gives the slot to `node` under an epoch that is lower than the one it is held under: it has lost events. */
export const isBehind = (view: View, node: string, slot: Slot, heldUnder: number): boolean =>
  view.owners[slot] === node && (view.epochs[slot] ?? 0) < heldUnder;
