import { z } from 'zod';
import type { Action } from '../../proto/generated/hunt/v1/ingest.ts';
import { idPattern } from '../../proto/ids.ts';
import type { PlayerAction } from './command.ts';
import { type DefinitionFault, pointer } from './definition-fault.ts';
import { answerText, codeText, nameText, pinText } from './definition-shape.ts';
import { nfc, type TextLimits, textFault } from './text.ts';

/**
 * Players' actions from outside: JSON and msgpack values by {@link parseAction}, decoded gRPC messages by
 * {@link checkAction}. Both apply the same limits, so that an action is the same whichever way it came.
 */
export type ActionFault = DefinitionFault;
export type ParsedAction =
  | { readonly ok: true; readonly action: Action }
  | { readonly ok: false; readonly errors: ActionFault[] };

const anyText = z.string().overwrite(nfc).default('');
const optionalNumber = z.number().optional();
const schemas = {
  join: ['join', z.object({ name: anyText })],
  leave: ['leave', z.object({})],
  finish: ['finish', z.object({})],
  create_team: ['createTeam', z.object({ name: anyText, pin: anyText })],
  join_team: ['joinTeam', z.object({ team: anyText, pin: anyText })],
  check_in: ['checkIn', z.object({ lat: z.number(), lon: z.number(), accuracy: z.number(), stage: anyText })],
  answer: ['answer', z.object({ clue: anyText, text: anyText })],
  scan: ['scan', z.object({ code: anyText })],
  claim: [
    'claim',
    z.object({ treasure: anyText, lat: optionalNumber, lon: optionalNumber, accuracy: optionalNumber, code: anyText }),
  ],
  hint: ['hint', z.object({ clue: anyText })],
  skip: ['skip', z.object({ stage: anyText })],
} as const;
export type ActionType = keyof typeof schemas;
const types = Object.keys(schemas).join(', ');

export function parseAction(value: unknown): ParsedAction {
  const type =
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as { type?: unknown }).type
      : undefined;
  if (typeof type !== 'string' || !Object.hasOwn(schemas, type))
    return { ok: false, errors: [{ path: '/type', message: `type must be one of ${types}: correct it` }] };
  const [$case, schema] = schemas[type as ActionType];
  const parsed = schema.safeParse(value, { reportInput: true });
  if (!parsed.success) {
    return {
      ok: false,
      errors: parsed.error.issues.map((issue) => ({
        path: pointer(issue.path),
        message: `${issue.path.join('.')} ${typeFault(issue)}`,
      })),
    };
  }
  // The schema of that type made exactly the value of that case.
  const action = { action: { $case, value: parsed.data } as PlayerAction };
  const errors = checkAction(action);
  // In the message that nodes read an empty text is an absent one: only here can they be told apart.
  for (const field of Object.keys(schema.shape)) {
    if ((value as Record<string, unknown>)[field] === '' && !errors.some(({ path }) => path === `/${field}`))
      report(errors, field, 'must not be empty: leave it out or give it at least one character');
  }
  return errors.length === 0 ? { ok: true, action } : { ok: false, errors };
}

function typeFault(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type' && issue.input === undefined) return 'is required: add it as a finite number';
  const expected = issue.code === 'invalid_type' && issue.expected === 'string' ? 'a text' : 'a finite number';
  return `must be ${expected}: correct it`;
}

/** What is wrong with a decoded action. Texts are normalised in place, as JSON's are. */
export function checkAction({ action }: Action): ActionFault[] {
  const faults: ActionFault[] = [];
  switch (action?.$case) {
    case 'join':
      if (action.value.name !== '') checkText(faults, action.value, 'name', nameText);
      break;
    case 'createTeam':
      checkText(faults, action.value, 'name', nameText);
      if (action.value.pin !== '') checkText(faults, action.value, 'pin', pinText);
      break;
    case 'joinTeam':
      checkId(faults, 'team', action.value.team);
      if (action.value.pin !== '') checkText(faults, action.value, 'pin', codeText);
      break;
    case 'checkIn':
      checkPlace(faults, action.value.lat, action.value.lon, action.value.accuracy);
      if (action.value.stage !== '') checkId(faults, 'stage', action.value.stage);
      break;
    case 'answer':
      checkId(faults, 'clue', action.value.clue);
      checkText(faults, action.value, 'text', answerText);
      break;
    case 'scan':
      checkText(faults, action.value, 'code', codeText);
      break;
    case 'claim': {
      const { lat, lon, accuracy } = action.value;
      checkId(faults, 'treasure', action.value.treasure);
      if (action.value.code !== '') checkText(faults, action.value, 'code', codeText);
      if (lat !== undefined && lon !== undefined && accuracy !== undefined) checkPlace(faults, lat, lon, accuracy);
      else if (lat !== undefined || lon !== undefined || accuracy !== undefined)
        faults.push({ path: '/lat', message: 'lat, lon and accuracy belong together: send all three or none' });
      break;
    }
    case 'hint':
      checkId(faults, 'clue', action.value.clue);
      break;
    case 'skip':
      if (action.value.stage !== '') checkId(faults, 'stage', action.value.stage);
      break;
    case 'leave':
    case 'finish':
      break;
    case undefined:
      faults.push({ path: '/type', message: `type must be one of ${types}: correct it` });
      break;
    default:
      action satisfies never;
  }
  return faults;
}

/** Beyond that a position says nothing on this planet. */
export const accuracyMaxM = 20_100_000;

function report(faults: ActionFault[], field: string, message: string): void {
  faults.push({ path: `/${field}`, message: `${field} ${message}` });
}

function checkText<K extends string>(faults: ActionFault[], value: Record<K, string>, field: K, limits: TextLimits) {
  value[field] = nfc(value[field]);
  const message = textFault(value[field], limits);
  if (message !== undefined) report(faults, field, message);
}

function checkId(faults: ActionFault[], field: string, value: string): void {
  if (!idPattern.test(value)) report(faults, field, 'must be an id: 1 to 64 of the characters A-Z a-z 0-9 _ . : -');
}

function checkPlace(faults: ActionFault[], lat: number, lon: number, accuracy: number): void {
  checkRange(faults, 'lat', lat, -90, 90);
  checkRange(faults, 'lon', lon, -180, 180);
  checkRange(faults, 'accuracy', accuracy, 0, accuracyMaxM);
}

/** NaN is in no range. */
function checkRange(faults: ActionFault[], field: string, value: number, min: number, max: number): void {
  if (!(value >= min && value <= max)) report(faults, field, `must be a number from ${min} to ${max}: correct it`);
}
