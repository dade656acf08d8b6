import type { ClueDefinition, HuntDefinition, StageDefinition, TreasureDefinition } from './definition.ts';
import { instantOf } from './definition-time.ts';
import { type Accepted, accepted, codeForm, codeHash, type Match } from './matching.ts';

/** A definition made ready for deciding: times as ms, texts in the form in which they are compared, ids looked up. Derived, never stored. */
export interface Rulebook {
  readonly definition: HuntDefinition;
  readonly opens: number | undefined;
  readonly closes: number | undefined;
  readonly stages: readonly Stage[];
  readonly stage: ReadonlyMap<string, Stage>;
  readonly clue: ReadonlyMap<string, Clue>;
  readonly treasures: readonly Treasure[];
  readonly treasure: ReadonlyMap<string, Treasure>;
  /** Treasures that are released by time. */
  readonly timed: readonly Treasure[];
}

export interface Stage {
  readonly id: string;
  readonly index: number;
  readonly definition: StageDefinition;
  readonly opens: number;
  readonly closes: number;
  /** Stages that must be settled before. */
  readonly after: readonly Stage[];
  /** 0 = unlimited. */
  readonly attempts: number;
  readonly penalty: number;
  readonly cooldownMs: number;
  readonly skip: boolean;
  readonly skipPenalty: number;
  readonly way: Way;
}
export interface Spot {
  readonly lat: number;
  readonly lon: number;
  readonly radiusM: number;
  readonly pin: boolean;
}
export type Way =
  | { readonly by: 'answer'; readonly clue: string; readonly match: Match; readonly accept: readonly Accepted[] }
  | { readonly by: 'check_in'; readonly spot: Spot }
  /** The SHA-256 of the code, also where the definition gives the code itself. */
  | { readonly by: 'scan'; readonly hash: string }
  | { readonly by: 'claim'; readonly treasure: string };
export interface Clue {
  readonly stage: Stage;
  readonly definition: ClueDefinition;
}
export interface Treasure {
  readonly id: string;
  readonly definition: TreasureDefinition;
  readonly stage: Stage | undefined;
  readonly spot: Spot | undefined;
  readonly code: string | undefined;
  readonly opens: number;
  /** Stages that a claim of it completes. */
  readonly completes: readonly Stage[];
}

export function rulebook(definition: HuntDefinition): Rulebook {
  const { defaults, order } = definition;
  const stages: (Stage & { after: Stage[] })[] = definition.stages.map((stage, index) => ({
    id: stage.id,
    index,
    definition: stage,
    opens: instant(stage.window?.opens) ?? 0,
    closes: instant(stage.window?.closes) ?? Number.POSITIVE_INFINITY,
    after: [],
    attempts: stage.attempts ?? defaults.attempts,
    penalty: stage.penalty ?? defaults.penalty,
    cooldownMs: (stage.cooldown_s ?? defaults.cooldown_s) * 1000,
    skip: stage.skip ?? defaults.skip,
    skipPenalty: stage.skip_penalty ?? defaults.skip_penalty,
    way: wayOf(stage, definition),
  }));
  const stage = new Map(stages.map((one) => [one.id, one]));
  for (const one of stages) {
    if (order === 'linear' && one.index > 0) one.after.push(stages[one.index - 1]!);
    if (order === 'graph') one.after.push(...(one.definition.requires ?? []).map((id) => stage.get(id)!));
  }
  const treasures = definition.treasures.map((treasure) => ({
    id: treasure.id,
    definition: treasure,
    stage: treasure.stage === undefined ? undefined : stage.get(treasure.stage),
    spot: treasure.at === undefined ? undefined : spotOf(treasure.at, definition),
    code: treasure.code === undefined ? undefined : codeForm(treasure.code),
    opens: instant(treasure.opens) ?? 0,
    completes: stages.filter(({ way }) => way.by === 'claim' && way.treasure === treasure.id),
  }));
  return {
    definition,
    opens: instant(definition.window.opens),
    closes: instant(definition.window.closes),
    stages,
    stage,
    clue: new Map(
      stages.flatMap((one) => one.definition.clues.map((clue) => [clue.id, { stage: one, definition: clue }])),
    ),
    treasures,
    treasure: new Map(treasures.map((one) => [one.id, one])),
    timed: treasures.filter(({ opens }) => opens > 0),
  };
}

const instant = (text: string | undefined): number | undefined => (text === undefined ? undefined : instantOf(text));

function spotOf(
  at: { lat: number; lon: number; radius_m?: number | undefined; pin: boolean },
  definition: HuntDefinition,
): Spot {
  return { lat: at.lat, lon: at.lon, radiusM: at.radius_m ?? definition.location.radius_m, pin: at.pin };
}

function wayOf({ complete }: StageDefinition, definition: HuntDefinition): Way {
  const { answer, check_in, scan, claim } = complete;
  if (answer !== undefined)
    return {
      by: 'answer',
      clue: answer.clue,
      match: answer.match,
      accept: answer.accept.map((text) => accepted(text, answer.match)),
    };
  if (check_in !== undefined) return { by: 'check_in', spot: spotOf(check_in, definition) };
  if (scan !== undefined)
    return {
      by: 'scan',
      hash: scan.code === undefined ? scan.code_sha256!.toLowerCase() : codeHash(codeForm(scan.code)),
    };
  return { by: 'claim', treasure: claim!.treasure };
}
