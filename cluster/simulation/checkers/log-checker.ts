/** The log by itself (I2, I4): no hole, no fork, vectors that chain, no seq twice; epochs that never fall along a slot, and owners that were owners. */

import { ClusterEvent } from '../../../proto/generated/node/v1/cluster.ts';
import { Record } from '../../../proto/generated/node/v1/record.ts';
import { slotOf } from '../../../proto/ids.ts';
import { splitRecord } from '../../../runtime/activation/record.ts';
import { evolveView } from '../../evolve-view.ts';
import { emptyView, nodeOf, type View } from '../../view.ts';
import type { Evidence } from '../evidence.ts';

export function checkLog({ records, audit }: Evidence): string[] {
  const faults: string[] = [];
  for (const { kind, hunt_id, version, detail } of audit.report.first_faults)
    faults.push(`log: ${kind} in hunt ${hunt_id} at version ${version}: ${detail}`);
  const views = viewsOf(records, faults);
  const epochs = new Map<number, number>();
  for (const { stream, version, epoch, position, bytes } of records) {
    if (stream.kind === 'cluster') continue;
    const slot = slotOf(stream.id);
    const where = `${stream.kind} ${stream.id} version ${version} at ${position}`;
    const before = epochs.get(slot) ?? 0;
    if (epoch < before) faults.push(`log: ${where}: epoch ${epoch} behind ${before} in slot ${slot}`);
    epochs.set(slot, Math.max(before, epoch));
    const inside = splitRecord(bytes);
    if (inside.epoch !== epoch) faults.push(`log: ${where}: says epoch ${inside.epoch}, was appended under ${epoch}`);
    const [id, incarnation] = inside.owner.split('@') as [string, string];
    const view = views.get(epoch);
    if (view === undefined) faults.push(`log: ${where}: epoch ${epoch} is the number of no view`);
    // The owner that the view names, or another member of it that stood in (cluster/stand-in.ts).
    else if (view.owners[slot] === id && nodeOf(view, id)?.incarnation !== Number(incarnation))
      faults.push(`log: ${where}: ${inside.owner} was not the owner of slot ${slot} under view ${epoch}`);
  }
  return faults;
}

/** Every view that there ever was, by number. */
function viewsOf(records: Evidence['records'], faults: string[]): Map<number, View> {
  const views = new Map<number, View>();
  let view = emptyView;
  try {
    for (const { stream, bytes } of records) {
      if (stream.kind !== 'cluster') continue;
      for (const event of Record.decode(bytes).events) {
        view = evolveView(view, ClusterEvent.decode(event));
        views.set(view.number, view);
      }
    }
  } catch (error) {
    faults.push(`log: the cluster's stream cannot be folded: ${(error as Error).message}`);
  }
  return views;
}
