import { z } from 'zod';
import { idPattern } from '../../proto/ids.ts';
import { instantOf } from './definition-time.ts';
import { nfc, type TextLimits, textFault } from './text.ts';

/**
 * The shape of a definition: keys, types, ranges and defaults, and nothing that looks at two places at once
 * (definition-references.ts does). What comes out is the normalised definition: parsing it again gives the same.
 */
export const pointsMax = 1_000_000_000;
export const stagesMax = 500;
export const treasuresMax = 10_000;
export const membersMax = 1_000_000;
export const cluesMax = 100;
export const hintsMax = 100;
export const choicesMax = 100;
export const acceptMax = 50;
export const secondsMax = 366 * 24 * 3600;
export const metresMax = 1_000_000;
export const titleText: TextLimits = { min: 1, max: 120 };
export const longText: TextLimits = { min: 1, max: 4_000, lines: true };
export const nameText: TextLimits = { min: 1, max: 40 };
export const pinText: TextLimits = { min: 4, max: 16 };
export const codeText: TextLimits = { min: 1, max: 200 };
export const answerText: TextLimits = { min: 1, max: 500 };

const text = (limits: TextLimits) =>
  z
    .string()
    .overwrite(nfc)
    .superRefine((value, context) => {
      const fault = textFault(value, limits);
      if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
    });
const checked = (test: (value: string) => boolean, fault: string) =>
  z.string().superRefine((value, context) => {
    if (!test(value)) context.addIssue({ code: 'custom', message: fault });
  });
const integer = (min: number, max: number) => z.int().min(min).max(max);
const count = (max: number) => integer(0, max);
const points = integer(-pointsMax, pointsMax);
const metres = z.number().min(0).max(metresMax);
const radius = z.number().gt(0).max(metresMax);
const id = checked((value) => idPattern.test(value), 'must be an id: 1 to 64 of the characters A-Z a-z 0-9 _ . : -');
const time = checked(
  (value) => instantOf(value) !== undefined,
  'must be a date and time as in RFC 3339, from 1970 on, with an offset, such as 2026-06-06T10:00:00+02:00',
);
const timezone = checked(isTimezone, 'must be an IANA time zone such as Europe/Berlin');
const language = checked(isLanguage, 'must be a BCP 47 language tag such as de-AT');
const media = checked(isHttps, 'must be an https URL of at most 2000 characters');
const place = {
  lat: z.number().min(-90).max(90),
  lon: z.number().min(-180).max(180),
  radius_m: radius.optional(),
  pin: z.boolean().default(false),
};

const window = z.strictObject({ opens: time.optional(), closes: time.optional() });
const hint = z.strictObject({
  text: text(longText),
  cost: count(pointsMax).default(0),
  delay_s: count(secondsMax).default(0),
});
const clue = z.strictObject({
  id,
  text: text(longText),
  media: media.optional(),
  choices: z.array(text(answerText)).min(1).max(choicesMax).optional(),
  hints: z.array(hint).max(hintsMax).default([]),
});
const complete = z
  .strictObject({
    answer: z
      .strictObject({
        clue: id,
        accept: z
          .array(z.union([text(answerText), z.number()]))
          .min(1)
          .max(acceptMax),
        match: z.enum(['exact', 'loose', 'typo']).default('loose'),
      })
      .optional(),
    check_in: z.strictObject(place).optional(),
    scan: z
      .strictObject({
        code: text(codeText).optional(),
        code_sha256: checked(
          (value) => /^[0-9A-Fa-f]{64}$/.test(value),
          'must be a SHA-256 in hex: 64 digits',
        ).optional(),
      })
      .optional(),
    claim: z.strictObject({ treasure: id }).optional(),
  })
  .default({});

const stage = z.strictObject({
  id,
  title: text(titleText),
  text: text(longText).optional(),
  points: points.default(0),
  requires: z.array(id).max(stagesMax).optional(),
  window: window.optional(),
  attempts: count(membersMax).optional(),
  penalty: count(pointsMax).optional(),
  cooldown_s: count(secondsMax).optional(),
  skip: z.boolean().optional(),
  skip_penalty: count(pointsMax).optional(),
  teaser: z.boolean().default(false),
  clues: z.array(clue).max(cluesMax).default([]),
  complete,
  after: text(longText).optional(),
});
const treasure = z.strictObject({
  id,
  title: text(titleText),
  points: points.default(0),
  stock: count(pointsMax).optional(),
  per_entrant: count(pointsMax).default(1),
  first_finder_bonus: points.default(0),
  stage: id.optional(),
  at: z.strictObject(place).optional(),
  code: text(codeText).optional(),
  opens: time.optional(),
});
const team = z.strictObject({ id, name: text(nameText), pin: text(pinText).optional() });

export const definitionShape = z.strictObject({
  title: text(titleText),
  description: text({ ...longText, min: 0 }).optional(),
  language: language.optional(),
  window: z
    .strictObject({ opens: time.optional(), closes: time.optional(), timezone: timezone.default('UTC') })
    .prefault({}),
  entry: z.enum(['solo', 'team']).default('solo'),
  team: z
    .strictObject({
      size_max: integer(1, membersMax).default(6),
      create: z.enum(['players', 'designer']).default('players'),
      list: z.array(team).max(membersMax).default([]),
    })
    .prefault({}),
  order: z.enum(['any', 'linear', 'graph']).default('any'),
  limits: z
    .strictObject({
      players: integer(1, membersMax).default(10_000),
      teams: integer(1, membersMax).default(1_000),
      duration_s: integer(1, secondsMax).optional(),
    })
    .prefault({}),
  location: z
    .strictObject({
      radius_m: radius.default(40),
      accuracy_max_m: metres.default(50),
      accuracy_cap_m: metres.default(25),
      speed_max_mps: metres.default(70),
    })
    .prefault({}),
  defaults: z
    .strictObject({
      attempts: count(membersMax).default(4),
      penalty: count(pointsMax).default(0),
      cooldown_s: count(secondsMax).default(60),
      skip: z.boolean().default(true),
      skip_penalty: count(pointsMax).default(0),
    })
    .prefault({}),
  feed: z.enum(['all', 'own']).default('all'),
  admission: z.enum(['code', 'invite']).default('code'),
  board: z
    .strictObject({ top: integer(1, 100).default(10), show: z.enum(['live', 'closed']).default('live') })
    .prefault({}),
  stages: z.array(stage).min(1).max(stagesMax),
  treasures: z.array(treasure).max(treasuresMax).default([]),
});

export type HuntDefinition = z.output<typeof definitionShape>;
export type StageDefinition = HuntDefinition['stages'][number];
export type ClueDefinition = StageDefinition['clues'][number];
export type TreasureDefinition = HuntDefinition['treasures'][number];

function isTimezone(name: string): boolean {
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

function isLanguage(tag: string): boolean {
  if (tag.length > 64) return false;
  try {
    return Intl.getCanonicalLocales(tag).length === 1;
  } catch {
    return false;
  }
}

function isHttps(address: string): boolean {
  return address.length <= 2_000 && URL.canParse(address) && new URL(address).protocol === 'https:';
}
