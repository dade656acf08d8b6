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
