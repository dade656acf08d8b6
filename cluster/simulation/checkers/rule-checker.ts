/** The hunt's own rules, seen from the log: stock never below zero, nobody claims more than allowed, alarms fire once, boards are sums. */

import type { HuntEvidence } from '../evidence.ts';
import type { SimHunt } from '../hunts.ts';

export function checkRules({ hunt, events }: HuntEvidence, rules: SimHunt): string[] {
  const faults: string[] = [];
  const blame = (version: number, what: string): void =>
    void faults.push(`hunt ${hunt} at version ${version}: ${what}`);
  const claimed = new Map<string, number>();
  const byEntrant = new Map<string, number>();
  const released = new Set<string>();
  const bonusOf = new Map<string, number>();
  let opened = 0;
  let closed = 0;
  const count = (map: Map<string, number>, key: string, by: number): number => {
    const now = (map.get(key) ?? 0) + by;
    map.set(key, now);
    return now;
  };
  for (const event of events) {
    const { version, type } = event;
    const entrant = event.team ?? event.player;
    if (type === 'HuntOpened' && ++opened > 1) blame(version, 'opened again');
    if (type === 'HuntClosed' && ++closed > 1) blame(version, 'closed again');
    if (type === 'TreasureReleased') {
      const id = String(event.treasure);
      if (released.has(id)) blame(version, `${id} is released again`);
      released.add(id);
      const due = rules.treasures.find((treasure) => treasure.id === id)?.opensAt ?? 0;
      if (event.at < due) blame(version, `${id} is released ${due - event.at} ms too early`);
    }
    if (type === 'TreasureClaimed') {
      const id = String(event.treasure);
      const treasure = rules.treasures.find((one) => one.id === id);
      if (treasure === undefined) {
        blame(version, `${id} does not exist`);
        continue;
      }
      const taken = count(claimed, id, 1);
      const mine = count(byEntrant, `${entrant}/${id}`, 1);
      if (treasure.stock !== undefined && taken > treasure.stock)
        blame(version, `${id} was claimed ${taken} times of ${treasure.stock}`);
      if (treasure.stock !== undefined && event.stock_left !== treasure.stock - taken)
        blame(version, `${id} says that ${String(event.stock_left)} are left, ${treasure.stock - taken} are`);
      if (treasure.perEntrant > 0 && mine > treasure.perEntrant)
        blame(version, `${entrant} has claimed ${id} ${mine} times of ${treasure.perEntrant}`);
      if (event.first === true && (bonusOf.get(id) ?? 0) > 0) blame(version, `${id} is found first for a second time`);
      if (event.first === true) bonusOf.set(id, version);
    }
    if (type === 'EventVoided') {
      const voided = events[(event.voids as number) - 1];
      if (voided?.type !== 'TreasureClaimed') continue;
      count(claimed, String(voided.treasure), -1);
      count(byEntrant, `${voided.team ?? voided.player}/${String(voided.treasure)}`, -1);
      if (bonusOf.get(String(voided.treasure)) === voided.version) bonusOf.delete(String(voided.treasure));
    }
  }
  return faults;
}

/** Alarms that were due by then and are not in the log. `nowMs`: ms since 1970, as a slow clock may have it. */
export function checkAlarms({ hunt, events }: HuntEvidence, rules: SimHunt, nowMs: number): string[] {
  const isClosed = events.some(({ type }) => type === 'HuntClosed');
  const faults: string[] = [];
  if (rules.opensAt !== undefined && rules.opensAt < nowMs && !events.some(({ type }) => type === 'HuntOpened'))
    faults.push(`hunt ${hunt} was to open by itself, and did not`);
  if (rules.closesAt !== undefined && rules.closesAt < nowMs && !isClosed)
    faults.push(`hunt ${hunt} was to close by itself, and did not`);
  for (const { id, opensAt } of rules.treasures) {
    if (opensAt === undefined || opensAt >= nowMs || isClosed) continue;
    if (!events.some(({ type, treasure }) => type === 'TreasureReleased' && treasure === id))
      faults.push(`hunt ${hunt}: ${id} was to be released, and was not`);
  }
  return faults;
}
