/** How the gateway reads hunts' events: the actors know their form, the edge only passes it on. */
import { audienceOf, eventType, fullEvent, publicEvent } from '../../actors/hunt/event.ts';
import { eventsOf } from '../../gateway/admin/log-event-reader.ts';
import type { EventReader, PublicEvent } from '../../gateway/fan-out/event-reader.ts';
import type { Event } from '../../proto/generated/hunt/v1/event.ts';

/** Without a private field (I9). */
export const publicEvents: EventReader = {
  decode: (record) => eventsOf(record).map(asPublic),
};

function asPublic(event: Event): PublicEvent {
  const audience = audienceOf(event);
  const team = audience.kind === 'entrant' && audience.team !== '' ? { team: audience.team } : {};
  return { version: event.version, player: event.playerId, ...team, type: eventType(event), body: publicEvent(event) };
}

/** As designers see it. */
export const showEvent = (event: Event): Record<string, unknown> =>
  fullEvent(event, Object.fromEntries(event.vector.map(({ node, count }) => [node, count])));
