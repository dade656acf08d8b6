/**
 * Reads and snapshots: never from the past of what anybody had been told before they were asked for, and exactly what the log
 * gives at the version that they name.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Commanded, Seen, Steered } from '../history.ts';
import type { Comparison } from './fold.ts';

/** The highest version that anybody had been told of, by time. */
export class Told {
  readonly #at: number[] = [];
  readonly #version: number[] = [];

  constructor(tellings: readonly { readonly at: number; readonly version: number }[]) {
    let highest = 0;
    for (const { at, version } of [...tellings].sort((a, b) => a.at - b.at)) {
      highest = Math.max(highest, version);
      this.#at.push(at);
      this.#version.push(highest);
    }
  }

  before(at: number): number {
    let low = 0;
    let high = this.#at.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#at[middle] as number) < at) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : (this.#version[low - 1] as number);
  }
}

export function tellings(
  commands: readonly Commanded[],
  steered: readonly Steered[],
  seen: readonly Seen[],
): { at: number; version: number }[] {
  const told: { at: number; version: number }[] = [];
  for (const { replies, toldAt } of commands) {
    const version = replies.find((reply) => reply.version !== undefined)?.version;
    if (version !== undefined && toldAt !== undefined) told.push({ at: toldAt, version });
  }
  for (const { outcome, answeredAt } of steered)
    if (outcome?.ok === true && answeredAt !== undefined) told.push({ at: answeredAt, version: outcome.version });
  for (const { endedAt, version } of seen) told.push({ at: endedAt, version });
  return told;
}

export function checkRecency(hunt: number, seen: readonly Seen[], told: Told): string[] {
  return seen.flatMap(({ what, player, beganAt, version }) => {
    const known = told.before(beganAt);
    if (version >= known) return [];
    return [
      `hunt ${hunt}: a ${what}${player === undefined ? '' : ` for ${player}`} asked for at ${(beganAt / 1_000).toFixed(3)} ms shows version ${version}; ${known} had been told before`,
    ];
  });
}

/** What a read showed, to be compared with the log. Parts that the clock alone changes are left out. */
export function comparisonsOf(seen: readonly Seen[]): Comparison[] {
  return seen.map(({ what, player, version, body }) => ({
    version,
    look: (fold) => {
      const other = body as Record<string, unknown>;
      if (what === 'scoreboard') {
        const { entries, entrants } = fold.ask('scoreboard', { limit: 100, offset: 0 }, 0) as Record<string, unknown>;
        return told(what, { entries, entrants }, { entries: other.entries, entrants: other.entrants });
      }
      if (what === 'show') {
        const mine = fold.ask('show', {}, 0) as Record<string, unknown>;
        const pick = (show: Record<string, unknown>): unknown => ({
          players: show.players,
          owner: show.owner,
          join_code: show.join_code,
          top: (show.state as { top?: unknown }).top,
        });
        return told(what, pick(mine), pick(other));
      }
      if (player === undefined) return undefined;
      const { players } = fold.ask('views', { players: [player], hunt: false }, 0) as {
        players: Record<string, { me: Record<string, unknown> }>;
      };
      const pick = (me: Record<string, unknown> | null | undefined): unknown => ({
        total: me?.total,
        rank: me?.rank,
        last_seq: me?.last_seq,
        team: me?.team,
      });
      return told(`snap of ${player}`, pick(players[player]?.me), pick(other.me as Record<string, unknown> | null));
    },
  }));
}

/** Through JSON, as the answer came: what is undefined is absent there. */
function told(what: string, log: unknown, shown: unknown): string | undefined {
  const mine = JSON.parse(JSON.stringify(log)) as unknown;
  const theirs = JSON.parse(JSON.stringify(shown)) as unknown;
  if (isDeepStrictEqual(mine, theirs)) return undefined;
  return `${what} shows ${JSON.stringify(theirs)}, the log gives ${JSON.stringify(mine)}`.slice(0, 1_200);
}
