/** What clients were told besides their acks: refusals by code, and connections that broke. Pure. */
import type { Crowd } from '../crowd.ts';

export interface Seen {
  readonly reconnects: number;
  /** By code; only retryable ones may be here. */
  readonly nacks: Readonly<Record<string, number>>;
}

export function seenBy(crowd: Crowd): Seen {
  const nacks: Record<string, number> = {};
  let reconnects = 0;
  for (const { player } of crowd.members) {
    reconnects += player.reconnects;
    for (const { replies } of player.ledger)
      for (const reply of replies) if (reply.kind === 'nack') nacks[reply.code] = (nacks[reply.code] ?? 0) + 1;
  }
  return { reconnects, nacks };
}

export function seenSince(before: Seen, now: Seen): Seen {
  const nacks = Object.entries(now.nacks).map(([code, count]) => [code, count - (before.nacks[code] ?? 0)] as const);
  return {
    reconnects: now.reconnects - before.reconnects,
    nacks: Object.fromEntries(nacks.filter(([, count]) => count > 0)),
  };
}

export function toldOf({ reconnects, nacks }: Seen): string {
  const parts = Object.entries(nacks).map(([code, count]) => `${count} ${code}`);
  if (reconnects > 0) parts.push(`${reconnects} reconnects`);
  return parts.join(', ');
}
