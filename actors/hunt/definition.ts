import type { z } from 'zod';
import { readDocument } from './definition-document.ts';
import { type DefinitionFault, faultsMax, pointer } from './definition-fault.ts';
import { referenceFaults } from './definition-references.ts';
import { definitionShape, type HuntDefinition } from './definition-shape.ts';
import { definitionWarnings } from './definition-warnings.ts';

export type { DefinitionFault } from './definition-fault.ts';
export type { ClueDefinition, HuntDefinition, StageDefinition, TreasureDefinition } from './definition-shape.ts';

/** Of the public part, which every subscriber is sent. */
export const publicPartBytesMax = 128 * 1024;

export type ParsedDefinition =
  | { readonly ok: true; readonly definition: HuntDefinition; readonly warnings: string[] }
  | { readonly ok: false; readonly errors: DefinitionFault[] };

/** The designer's text to the normalised definition: all defaults filled in, times still as RFC 3339, so that it may be posted again. */
export function parseDefinition(input: { text: string; format: 'json' | 'yaml' }): ParsedDefinition {
  const document = readDocument(input.text, input.format);
  return document.ok ? checkDefinition(document.value) : document;
}

export function checkDefinition(value: unknown): ParsedDefinition {
  const shaped = definitionShape.safeParse(value, { reportInput: true });
  const errors = [...(shaped.success ? [] : shaped.error.issues.flatMap(shapeFaults)), ...referenceFaults(value)];
  if (shaped.success && errors.length === 0) {
    const definition = filled(shaped.data);
    const bytes = publicPartBytes(definition);
    if (bytes <= publicPartBytesMax) return { ok: true, definition, warnings: definitionWarnings(definition) };
    errors.push({
      path: '',
      message: `the public part (titles, description, treasures) has ${bytes} bytes; at most ${publicPartBytesMax} (128 KiB) are allowed: shorten titles or remove treasures`,
    });
  }
  if (errors.length <= faultsMax) return { ok: false, errors };
  return {
    ok: false,
    errors: [
      ...errors.slice(0, faultsMax),
      { path: '', message: `${errors.length - faultsMax} more faults are not listed: correct these first` },
    ],
  };
}

/** The hunt's defaults written into every stage and place. */
function filled(definition: HuntDefinition): HuntDefinition {
  const { defaults, location } = definition;
  const place = <P extends { radius_m?: number | undefined }>(at: P) => ({
    ...at,
    radius_m: at.radius_m ?? location.radius_m,
  });
  return {
    ...definition,
    stages: definition.stages.map((stage) => ({
      ...stage,
      attempts: stage.attempts ?? defaults.attempts,
      penalty: stage.penalty ?? defaults.penalty,
      cooldown_s: stage.cooldown_s ?? defaults.cooldown_s,
      skip: stage.skip ?? defaults.skip,
      skip_penalty: stage.skip_penalty ?? defaults.skip_penalty,
      complete: stage.complete.check_in === undefined ? stage.complete : { check_in: place(stage.complete.check_in) },
    })),
    treasures: definition.treasures.map((treasure) =>
      treasure.at === undefined ? treasure : { ...treasure, at: place(treasure.at) },
    ),
  };
}

/** HuntView as of an open hunt with the longest numbers, and all treasures as a player may see them. */
function publicPartBytes(definition: HuntDefinition): number {
  const { title, description, language, window, entry, order, feed } = definition;
  const hunt = {
    hunt_id: 2 ** 53,
    title,
    description,
    language,
    status: 'scheduled',
    opens_at: 2 ** 41,
    closes_at: 2 ** 41,
    timezone: window.timezone,
    entry,
    order,
    feed,
    definition_version: 1_000,
    players: 1_000_000,
    entrants: 1_000_000,
  };
  const stages = definition.stages.map(({ id, title, points }) => ({ id, title, points }));
  const treasures = Object.fromEntries(
    definition.treasures.map(({ id, title, points, stock, at }) => [
      id,
      {
        title,
        points,
        stock_left: stock,
        mine: 0,
        pin: at?.pin === true ? { lat: at.lat, lon: at.lon, radius_m: at.radius_m } : undefined,
      },
    ]),
  );
  return Buffer.byteLength(JSON.stringify({ ...hunt, stages, treasures }));
}

function shapeFaults(issue: z.core.$ZodIssue): DefinitionFault[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.slice(0, faultsMax).map((key) => ({
      path: pointer([...issue.path, key]),
      message: `key ${JSON.stringify(key.slice(0, 64))} is not known here: correct or remove it`,
    }));
  }
  return [{ path: pointer(issue.path), message: `${fieldOf(issue.path)} ${shapeFault(issue)}` }];
}

function shapeFault(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'custom':
      return issue.message;
    case 'invalid_type':
      return issue.input === undefined
        ? `is required: add it as ${kindOf(issue.expected)}`
        : `must be ${kindOf(issue.expected)}: correct it`;
    case 'too_small':
      return `must ${sizeOf(issue.origin)} ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}: raise it`;
    case 'too_big':
      return `must ${sizeOf(issue.origin)} ${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}: lower it`;
    case 'invalid_value':
      return `must be one of ${issue.values.join(', ')}: choose one`;
    case 'invalid_union': {
      const inner = issue.errors.flat().find((branch) => branch.code === 'custom');
      return inner?.message ?? 'must be a text or a number: correct it';
    }
    default:
      return 'is not valid: correct it';
  }
}

const fieldOf = (path: readonly PropertyKey[]): string =>
  path.length === 0 ? 'the definition' : path.map((part) => String(part).slice(0, 64)).join('.');
const sizeOf = (origin: string): string => (origin === 'array' ? 'have' : 'be');
const kinds: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
};
const kindOf = (expected: string): string => kinds[expected] ?? `a ${expected}`;
