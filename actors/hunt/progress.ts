import type { Rulebook, Stage, Treasure } from './rulebook.ts';
import { type Header, type Mark, type Progress, rulesOf, statusAt } from './state.ts';

/** Where an entrant stands with stages and treasures: all of it follows from its marks, the rules and the time. */
export const isSettled = (mark: Mark | undefined): boolean => mark !== undefined && mark.state !== 'open';

export interface Clockwork {
  readonly header: Header;
  readonly rules: Rulebook;
  readonly at: number;
  /** The hunt has opened at some time before `at`; a pause or the end does not lock what was open. */
  readonly hasOpened: boolean;
}
export function clockwork(header: Header, at: number): Clockwork {
  return { header, rules: rulesOf(header), at, hasOpened: header.openedAt > 0 || statusAt(header, at) === 'open' };
}

/** Its turn has come: the hunt has opened, what must be settled before is. Its own window is another matter. */
export const isReached = (stage: Stage, progress: Progress, time: Clockwork): boolean =>
  time.hasOpened && stage.after.every((before) => isSettled(progress.marks.get(before.id)));
export const isInWindow = (stage: Stage, at: number): boolean => at >= stage.opens && at < stage.closes;
export function isOpen(stage: Stage, progress: Progress, time: Clockwork): boolean {
  return !isSettled(progress.marks.get(stage.id)) && isInWindow(stage, time.at) && isReached(stage, progress, time);
}

/** When a reached stage opened for the entrant: from then on hints' delays count. */
export function openedAt(stage: Stage, progress: Progress, header: Header): number {
  return stage.after.reduce(
    (latest, before) => Math.max(latest, progress.marks.get(before.id)?.settledAt ?? 0),
    Math.max(header.openedAt, progress.since, stage.opens),
  );
}

export function isReleased(treasure: Treasure, header: Header, at: number): boolean {
  return at >= treasure.opens || header.treasures.get(treasure.id)?.released === true;
}

/** The treasure's stage, if it has one, is open for the entrant or done. */
export function isWithinReach(treasure: Treasure, progress: Progress, time: Clockwork): boolean {
  return (
    treasure.stage === undefined ||
    progress.marks.get(treasure.stage.id)?.state === 'done' ||
    isOpen(treasure.stage, progress, time)
  );
}

export const timeIsUp = (rules: Rulebook, progress: Progress, at: number): boolean => {
  const seconds = rules.definition.limits.duration_s;
  return seconds !== undefined && progress.created > 0 && at >= progress.since + seconds * 1000;
};
