/** A player's action as JSON writes it, as the message that nodes read. What the values must be like is judged on the node. */
import type { Action } from '../../proto/generated/hunt/v1/ingest.ts';

type Case = NonNullable<Action['action']>;
type Build = (fields: Fields) => Case;

const builds: Readonly<Record<string, Build>> = {
  join: (f) => ({ $case: 'join', value: { name: f.text('name') } }),
  leave: () => ({ $case: 'leave', value: {} }),
  finish: () => ({ $case: 'finish', value: {} }),
  check_in: (f) => ({
    $case: 'checkIn',
    value: { lat: f.needed('lat'), lon: f.needed('lon'), accuracy: f.needed('accuracy'), stage: f.text('stage') },
  }),
  answer: (f) => ({ $case: 'answer', value: { clue: f.text('clue'), text: f.text('text') } }),
  scan: (f) => ({ $case: 'scan', value: { code: f.text('code') } }),
  claim: (f) => ({
    $case: 'claim',
    value: {
      treasure: f.text('treasure'),
      lat: f.number('lat'),
      lon: f.number('lon'),
      accuracy: f.number('accuracy'),
      code: f.text('code'),
    },
  }),
  hint: (f) => ({ $case: 'hint', value: { clue: f.text('clue') } }),
  skip: (f) => ({ $case: 'skip', value: { stage: f.text('stage') } }),
  create_team: (f) => ({ $case: 'createTeam', value: { name: f.text('name'), pin: f.text('pin') } }),
  join_team: (f) => ({ $case: 'joinTeam', value: { team: f.text('team'), pin: f.text('pin') } }),
};

/** The action, or a sentence that says what is wrong with it. */
export function actionOf(json: {
  readonly type: string;
  readonly [field: string]: unknown;
}): { readonly action: Action } | { readonly fault: string } {
  const build = Object.hasOwn(builds, json.type) ? builds[json.type] : undefined;
  if (build === undefined)
    return { fault: `action.type is none of the known ones: use one of ${Object.keys(builds).join(', ')}` };
  const fields = new Fields(json);
  const action = build(fields);
  return fields.fault === undefined ? { action: { action } } : { fault: fields.fault };
}

/** Reads fields of a kind and remembers the first that is of another. */
class Fields {
  fault: string | undefined;
  readonly #json: Readonly<Record<string, unknown>>;

  constructor(json: Readonly<Record<string, unknown>>) {
    this.#json = json;
  }

  text(name: string): string {
    const value = this.#json[name];
    // In the message that nodes read an empty text is an absent one: here alone they can be told apart.
    if (value === '') this.fault ??= `action.${name} must not be empty: leave it out or give it at least one character`;
    else if (value === undefined || typeof value === 'string') return value ?? '';
    else this.fault ??= `action.${name} must be a text`;
    return '';
  }

  number(name: string): number | undefined {
    const value = this.#json[name];
    if (value === undefined || (typeof value === 'number' && Number.isFinite(value))) return value;
    this.fault ??= `action.${name} must be a number`;
    return undefined;
  }

  needed(name: string): number {
    const value = this.number(name);
    if (value === undefined) this.fault ??= `action.${name} is missing: give a number`;
    return value ?? 0;
  }
}
