import { z } from 'zod';
import { adminPlayer } from '../../proto/ids.ts';
import type { Refusal } from '../../runtime/decider.ts';
import type { ParsedCommand } from '../../runtime/define-actor.ts';
import type { HuntAction, VerbName } from './command.ts';
import type { HuntDefinition } from './definition.ts';
import { pointsMax } from './definition-shape.ts';
import { nfc, textFault } from './text.ts';

/** The bodies of a hunt's commands by name (interface.ts). A definition in a body was parsed by the gateway that sends it. */
type Parsed = ParsedCommand<HuntAction> | { readonly refusal: Refusal };

export const reasonMax = 500;
export const minutesMax = 527_040;

const text = (min: number, max: number) =>
  z
    .string()
    .overwrite(nfc)
    .superRefine((value, context) => {
      const fault = textFault(value, { min, max, lines: true });
      if (fault !== undefined) context.addIssue({ code: 'custom', message: fault });
    });
const definition = z.custom<HuntDefinition>(
  (value) => typeof value === 'object' && value !== null && Array.isArray((value as HuntDefinition).stages),
);
const steer = {
  by: z.string().max(64).default(''),
  reason: text(0, reasonMax).default(''),
  key: z.string().max(400).default(''),
};
const demanded = { ...steer, reason: text(1, reasonMax) };
const subject = { player: z.string().max(64).default(''), team: z.string().max(64).default('') };

const bodies = {
  create: z.object({
    definition,
    owner: z.string().min(1).max(64),
    join_code: z.string().max(16),
    lineage: z.string().max(64),
  }),
  open: z.object(steer),
  pause: z.object(steer),
  resume: z.object(steer),
  close: z.object(steer),
  extend: z.object({ ...steer, closes: z.int().min(0).optional(), minutes: z.int().min(1).max(minutesMax).optional() }),
  adjust: z.object({ ...demanded, ...subject, points: z.int().min(-pointsMax).max(pointsMax) }),
  void: z.object({ ...demanded, version: z.int().min(0) }),
  disqualify: z.object({ ...demanded, ...subject }),
  announce: z.object({ ...steer, text: text(1, 500) }),
  publish: z.object({ ...steer, definition }),
};

const invalid = (message: string): Parsed => ({ refusal: { code: 'INVALID', message } });

function parser<Name extends VerbName>(name: Name): (body: unknown) => Parsed {
  return (body) => {
    const parsed = bodies[name].safeParse(body, { reportInput: true });
    if (!parsed.success)
      return invalid(
        parsed.error.issues.map((issue) => `${issue.path.join('.') || 'the body'} ${faultOf(issue)}`).join('; '),
      );
    const data: Record<string, unknown> = parsed.data;
    if ('team' in data && (data.player === '') === (data.team === ''))
      return invalid('exactly one of player and team must be given: name one');
    if (name === 'extend' && (data.closes === undefined) === (data.minutes === undefined))
      return invalid('exactly one of closes and minutes must be given: name one');
    if (name === 'adjust' && data.points === 0) return invalid('points must not be 0: name the change');
    const { by, join_code: joinCode, ...fields } = data;
    const signed = typeof by === 'string' && by !== '' ? by : name === 'create' ? String(data.owner) : undefined;
    // Each schema has the fields of its verb under the same names.
    const action = {
      $case: name,
      ...fields,
      ...(name === 'create' ? { joinCode } : {}),
      ...(name === 'extend' ? { closes: data.closes, minutes: data.minutes } : {}),
    } as unknown as HuntAction;
    return { action, player: adminPlayer, ...(signed === undefined ? {} : { by: signed }) };
  };
}

function faultOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'custom') return issue.message ?? 'is not valid: correct it';
  if (issue.code === 'too_big') return `must be at most ${issue.maximum}: lower it`;
  if (issue.code === 'too_small') return `must be at least ${issue.minimum}: raise it`;
  if (issue.code === 'invalid_type' && issue.input === undefined) return 'is required: add it';
  return `must be ${issue.code === 'invalid_type' ? (issue.expected === 'int' ? 'a whole number' : `a ${issue.expected}`) : 'valid'}: correct it`;
}

export const verbs = {
  create: parser('create'),
  open: parser('open'),
  pause: parser('pause'),
  resume: parser('resume'),
  close: parser('close'),
  extend: parser('extend'),
  adjust: parser('adjust'),
  void: parser('void'),
  disqualify: parser('disqualify'),
  announce: parser('announce'),
  publish: parser('publish'),
};
