import type { NodeContext } from '../activation/context.ts';
import { defaultActorLimits } from '../define-actor.ts';
import type { AnyActivation, OwnedSlot } from './slot.ts';

/** An actor without a single event is not worth keeping. */
const emptyIdleMs = 1_000;
/** Of the idle activations, those that go in one sweep when the node is over its budget. */
const memoryShare = 0.1;
const rearmSweeps = 60;

/** Writes pages behind wherever that is possible: nothing that makes pages dirty is taken until they are fewer. */
export function relieve(slots: Iterable<OwnedSlot>): void {
  for (const slot of slots)
    for (const activation of slot.activations()) if (activation.saving.isPossible) void activation.save();
}

const counters = new WeakMap<NodeContext, number>();

/** The node's housekeeping, once a second: sleep for the idle, pages behind for the dirty, agendas behind, gauges. */
export function sweep(node: NodeContext, slots: readonly OwnedSlot[]): void {
  const now = node.clock.monotonic();
  const round = (counters.get(node) ?? 0) + 1;
  counters.set(node, round);
  const idle: AnyActivation[] = [];
  let activations = 0;
  let mailbox = 0;
  let bytes = node.cache.bytes;
  const isPressed = node.cache.dirtyBytes * 2 > node.cache.dirtyBytesMax;
  for (const slot of slots) {
    for (const activation of slot.activations()) {
      activations++;
      mailbox += activation.mailbox.size;
      bytes += activation.bytes;
      if (activation.isIdle) {
        const idleMs =
          activation.state.version === 0 ? emptyIdleMs : (activation.kind.limits?.idleMs ?? defaultActorLimits.idleMs);
        if (now - activation.usedAt >= idleMs) {
          void activation.sleep('idle', false);
          continue;
        }
        idle.push(activation);
      }
      if (activation.saving.isDue || (isPressed && activation.saving.dirtySince > 0)) void activation.save();
    }
    // Spread over the period, so that not all slots save in one second.
    if ((round + slot.slot) % Math.max(1, Math.round(node.limits.agendaSaveMs / node.limits.sweepMs)) === 0)
      void slot.agenda.save();
    if ((round + slot.slot) % rearmSweeps === 0) slot.agenda.rearm();
  }
  if (bytes > node.limits.activationBytesMax) {
    idle.sort((a, b) => a.usedAt - b.usedAt);
    for (const activation of idle.slice(0, Math.max(1, Math.ceil(idle.length * memoryShare))))
      void activation.sleep('memory', true);
  }
  node.cache.shrink();
  const { metrics } = node;
  metrics.gauge('hunt_activations', activations);
  metrics.gauge('hunt_mailbox_commands', mailbox);
  metrics.gauge('hunt_pages_dirty_bytes', node.cache.dirtyBytes);
  metrics.gauge('hunt_page_cache_bytes', node.cache.bytes);
  metrics.gauge('hunt_slots_owned', slots.filter((slot) => slot.isOwned).length);
  metrics.gauge(
    'hunt_alarms_pending',
    slots.reduce((sum, slot) => sum + slot.agenda.size, 0),
  );
}
