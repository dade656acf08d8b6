/** The bodies and queries of the HTTP interface; the OpenAPI document is made of the same. */
import { z } from 'zod';
import { nfc, textFault } from '../../actors/hunt/text.ts';
import { idPattern } from '../../proto/ids.ts';

export const pointsMax = 1_000_000_000;
export const reasonCharsMax = 500;
export const announcementCharsMax = 500;
export const playerNameCharsMax = 40;
export const searchCharsMax = 120;
const cursorCharsMax = 64;
export const pageRowsMax = 1_000;
export const pageRowsDefault = 100;
export const eventsRowsMax = 5_000;
export const extendMinutesMax = 366 * 24 * 60;

/** As the domain judges text, so that what is let in here is not refused there. */
export const text = (charsMax: number, { lines = false } = {}) =>
  z
    .string()
    .meta({ minLength: 1, maxLength: charsMax })
    .overwrite(nfc)
    .superRefine((value, context) => {
      const fault = value.trim() === '' ? 'must not be empty' : textFault(value, { min: 1, max: charsMax, lines });
      if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
    });

export const id = z.string().regex(idPattern, { message: 'must be 1 to 64 of A-Z a-z 0-9 _ . : -' });
const integer = (min: number, max: number) =>
  z
    .int({ message: `must be a whole number from ${min} to ${max}` })
    .min(min, { message: `must be at least ${min}: raise it` })
    .max(max, { message: `must be at most ${max}: lower it` });
const numeral = (name: string, min: number, max: number) =>
  z
    .string()
    .regex(/^[0-9]{1,16}$/, { message: `${name} must be a whole number from ${min} to ${max}` })
    .meta({ type: 'integer', minimum: min, maximum: max })
    .transform(Number)
    .refine((value) => value >= min && value <= max, {
      message: `${name} must be a whole number from ${min} to ${max}`,
    });

const subject = { player: id.optional(), team: id.optional() };
const oneSubject = (body: { player?: string | undefined; team?: string | undefined }) =>
  (body.player === undefined) !== (body.team === undefined);
const oneSubjectMessage = { message: 'give either player or team' };
const reason = text(reasonCharsMax, { lines: true });

export const reasonBody = z.object({ reason: reason.optional() });
export const extendBody = z
  .object({
    closes: z.iso
      .datetime({
        offset: true,
        message: 'must be a time as in RFC 3339 with offset, such as 2026-06-06T18:00:00+02:00',
      })
      .optional(),
    minutes: integer(1, extendMinutesMax).optional(),
    reason: reason.optional(),
  })
  .refine((body) => (body.closes === undefined) !== (body.minutes === undefined), {
    message: 'give either closes or minutes',
  });
export const adjustBody = z
  .object({ ...subject, points: integer(-pointsMax, pointsMax), reason })
  .refine(oneSubject, oneSubjectMessage);
export const voidBody = z.object({ version: integer(1, Number.MAX_SAFE_INTEGER), reason });
export const disqualifyBody = z.object({ ...subject, reason }).refine(oneSubject, oneSubjectMessage);
export const announceBody = z.object({ text: text(announcementCharsMax, { lines: true }) });
export const actBody = z.object({
  player: id.optional(),
  seq: integer(1, Number.MAX_SAFE_INTEGER),
  // Judged by the domain, as on the socket: its refusal is a nack.
  action: z
    .unknown()
    .optional()
    .meta({ type: 'object', required: ['type'], properties: { type: { type: 'string' } } }),
});
export const playersBody = z.object({ player: id.optional(), name: text(playerNameCharsMax).optional() });
export const joinBody = z.object({
  code: z.string().max(64, { message: 'must be the 6 characters of a join code' }),
  name: text(playerNameCharsMax),
});

export const createQuery = z.object({
  dry_run: z.enum(['true', 'false'], { message: 'dry_run must be true or false' }).optional(),
});
const statuses = ['draft', 'scheduled', 'open', 'paused', 'closed'] as const;
/** Empty ones are as good as absent: a form sends them so. */
export const listQuery = z.object({
  status: z
    .enum([...statuses, ''], { message: `status must be one of ${statuses.join(', ')}: choose one` })
    .meta({ enum: [...statuses] })
    .optional(),
  q: z
    .string()
    .meta({ maxLength: searchCharsMax, description: 'Text in the title, the join code or the id' })
    .superRefine((value, context) => {
      const fault = textFault(value, { min: 0, max: searchCharsMax });
      if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
    })
    .optional(),
  limit: numeral('limit', 1, pageRowsMax).default(pageRowsDefault),
  cursor: z
    .string()
    .max(cursorCharsMax, { message: 'must be the next of an earlier page' })
    .meta({ description: 'The next of the page before' })
    .optional(),
});
export const showQuery = z.object({ at_version: numeral('at_version', 1, Number.MAX_SAFE_INTEGER).optional() });
export const eventsQuery = z.object({
  from: numeral('from', 0, Number.MAX_SAFE_INTEGER).default(0),
  limit: numeral('limit', 1, eventsRowsMax).default(pageRowsDefault),
});
export const scoreboardQuery = z.object({
  limit: numeral('limit', 1, pageRowsMax).default(pageRowsDefault),
  offset: numeral('offset', 0, 10_000_000).default(0),
});

const slotsMax = 255;
const weight = z
  .number({ message: 'must be a number from 0 to 100' })
  .min(0, { message: 'must be from 0 to 100; 0 takes no slot' })
  .max(100, { message: 'must be from 0 to 100' });
const slotName = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,2})$/, { message: `a slot is a whole number from 0 to ${slotsMax}` })
  .refine((slot) => Number(slot) <= slotsMax, { message: `a slot is a whole number from 0 to ${slotsMax}` });
export const pinSecondsMax = 366 * 24 * 3_600;
export const planBody = z.object({
  weights: z.record(id, weight).default({}),
  pins: z.record(slotName, id).default({}),
  unpin: z
    .array(integer(0, slotsMax))
    .max(slotsMax + 1)
    .default([]),
  remove: z.array(id).max(64).default([]),
  reason: reason.optional(),
  expires_s: integer(1, pinSecondsMax).optional(),
});
export const planIdCharsMax = 32 * 1024;
export const movesPerSDefault = 8;
export const canarySDefault = 2;
export const applyBody = z.object({
  plan_id: z.string().min(1).max(planIdCharsMax),
  moves_per_s: z
    .number({ message: 'must be a number from 0.1 to 256' })
    .min(0.1, { message: 'must be at least 0.1: raise it' })
    .max(256, { message: 'must be at most 256: lower it' })
    .default(movesPerSDefault),
  canary_s: integer(0, 3_600).default(canarySDefault),
});
export const freezeBody = z.object({ reason, expires_s: integer(1, 86_400) });
export const deadlineSDefault = 120;
export const drainBody = z
  .object({
    deadline_s: integer(1, 86_400).default(deadlineSDefault),
    stay: z.boolean({ message: 'must be true or false' }).default(false),
    restart: z.boolean({ message: 'must be true or false' }).default(false),
  })
  .refine((body) => !(body.stay && body.restart), { message: 'give either stay or restart' });
export const historyQuery = z.object({
  from: numeral('from', 0, Number.MAX_SAFE_INTEGER).default(0),
  limit: numeral('limit', 1, pageRowsMax).default(pageRowsDefault),
});

export const problemSchema = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string(),
    retryable: z.boolean(),
    retry_ms: z.int().optional(),
    errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
    instance: z.string(),
  })
  .describe('RFC 9457 problem');
