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

const anyText = z.string().max(1_024).overwrite(nfc).default('');
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
        message: `${issue.path.join('.')} ${issue.code === 'invalid_type' && issue.input === undefined ? 'is required: add it' : typeFault(issue.code)}`,
      })),
    };
  }
  // The schema of that type made exactly the value of that case.
  const action = { action: { $case, value: parsed.data } as PlayerAction };
  const errors = checkAction(action);
  return errors.length === 0 ? { ok: true, action } : { ok: false, errors };
}

const typeFault = (code: string | undefined): string =>
  code === 'too_big'
    ? 'is too long: shorten it'
    : 'must be a text or a finite number as the action demands: correct it';

/** What is wrong with a decoded action. Texts are normalised in place, as JSON's are. */
export function checkAction({ action }: Action): ActionFault[] {
  const faults: ActionFault[] = [];
  const fault = (field: string, message: string | undefined) => {
    if (message !== undefined) faults.push({ path: `/${field}`, message: `${field} ${message}` });
  };
  const text = <K extends string>(value: Record<K, string>, field: K, limits: TextLimits, isOptional = false) => {
    value[field] = nfc(value[field]);
    if (!isOptional || value[field] !== '') fault(field, textFault(value[field], limits));
  };
  const id = <K extends string>(value: Record<K, string>, field: K, isOptional = false) => {
    if (!(isOptional && value[field] === '') && !idPattern.test(value[field]))
      fault(field, 'must be an id: 1 to 64 of the characters A-Z a-z 0-9 _ . : -');
  };
  const range = (field: string, value: number, min: number, max: number) => {
    if (!(value >= min && value <= max)) fault(field, `must be a number from ${min} to ${max}: correct it`);
  };
  const place = ({ lat, lon, accuracy }: { lat: number; lon: number; accuracy: number }) => {
    range('lat', lat, -90, 90);
    range('lon', lon, -180, 180);
    range('accuracy', accuracy, 0, accuracyMaxM);
  };
  switch (action?.$case) {
    case 'join':
      text(action.value, 'name', nameText, true);
      break;
    case 'createTeam':
      text(action.value, 'name', nameText);
      text(action.value, 'pin', pinText, true);
      break;
    case 'joinTeam':
      id(action.value, 'team');
      text(action.value, 'pin', codeText, true);
      break;
    case 'checkIn':
      place(action.value);
      id(action.value, 'stage', true);
      break;
    case 'answer':
      id(action.value, 'clue');
      text(action.value, 'text', answerText);
      break;
    case 'scan':
      text(action.value, 'code', codeText);
      break;
    case 'claim': {
      const { lat, lon, accuracy } = action.value;
      id(action.value, 'treasure');
      text(action.value, 'code', codeText, true);
      if (lat !== undefined && lon !== undefined && accuracy !== undefined) place({ lat, lon, accuracy });
      else if (lat !== undefined || lon !== undefined || accuracy !== undefined)
        fault('lat', 'lon and accuracy belong together: send all three or none');
      break;
    }
    case 'hint':
      id(action.value, 'clue');
      break;
    case 'skip':
      id(action.value, 'stage', true);
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

/** 32 bits of FNV-1a over case and values: the same for JSON, msgpack and any encoding of the gRPC message. Never 0. */
export function fingerprint({ action }: Action): number {
  let hash = 0x811c9dc5;
  const byte = (value: number) => {
    hash = Math.imul(hash ^ value, 0x01000193);
  };
  const text = (value: string) => {
    for (let i = 0; i < value.length; i++) {
      const unit = value.charCodeAt(i);
      byte(unit & 0xff);
      byte(unit >>> 8);
    }
    byte(0xff);
    byte(0xff);
  };
  const number = (value: number | undefined) => {
    if (value === undefined) return byte(0);
    double[0] = value === 0 ? 0 : value;
    for (const part of doubleBytes) byte(part);
  };
  text(action?.$case ?? '');
  switch (action?.$case) {
    case 'join':
      text(action.value.name);
      break;
    case 'createTeam':
      text(action.value.name);
      text(action.value.pin);
      break;
    case 'joinTeam':
      text(action.value.team);
      text(action.value.pin);
      break;
    case 'checkIn':
      number(action.value.lat);
      number(action.value.lon);
      number(action.value.accuracy);
      text(action.value.stage);
      break;
    case 'answer':
      text(action.value.clue);
      text(action.value.text);
      break;
    case 'scan':
      text(action.value.code);
      break;
    case 'claim':
      text(action.value.treasure);
      number(action.value.lat);
      number(action.value.lon);
      number(action.value.accuracy);
      text(action.value.code);
      break;
    case 'hint':
      text(action.value.clue);
      break;
    case 'skip':
      text(action.value.stage);
      break;
    default:
      break;
  }
  return hash >>> 0 || 1;
}
const double = new Float64Array(1);
const doubleBytes = new Uint8Array(double.buffer);
