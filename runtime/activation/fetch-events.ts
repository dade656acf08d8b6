import type { StreamId, Version } from '../../proto/ids.ts';
import type { ActorEvent } from '../decider.ts';
import type { ActorKind } from '../define-actor.ts';
import type { NodeContext } from './context.ts';
import { pause } from './loading.ts';
import { decodeRecord } from './record.ts';

const fetchAttemptsMax = 4;
const fetchChunkBytes = 64 * 1024;

/** Reads single events of the past into `found`; undefined for one that the log does not have (any more). */
export async function fetchEvents<E extends ActorEvent>(
  node: NodeContext,
  kind: Pick<ActorKind<never, never, never, E>, 'events'>,
  stream: StreamId,
  versions: readonly number[],
  found: Map<number, E | undefined>,
): Promise<void> {
  for (let attempt = 1; attempt <= fetchAttemptsMax; attempt++) {
    try {
      for (const version of versions) {
        if (found.has(version)) continue;
        const page = await node.log.read(stream, version as Version, fetchChunkBytes);
        for (const record of page.records) {
          if (!versions.some((wanted) => wanted >= record.version && wanted < record.version + record.count)) continue;
          for (const event of decodeRecord(record.bytes, kind.events).events)
            if (versions.includes(event.version)) found.set(event.version, event);
        }
        if (!found.has(version)) found.set(version, undefined);
      }
      return;
    } catch {
      if (attempt < fetchAttemptsMax) await pause(node, 50 * 2 ** attempt);
    }
  }
}
