import { type Alias, isAlias, isMap, isScalar, isSeq, type Node, parseDocument } from 'yaml';
import { type DefinitionFault, faultsMax, pointer } from './definition-fault.ts';

/**
 * From the text of a definition to a plain value, with what JSON.parse and YAML parsers let pass refused here: doubled
 * keys, custom tags, anchors that expand beyond the limit. Never recursive over the text, which may nest 1 MiB deep.
 */
export const definitionBytesMax = 1024 * 1024;
const depthMax = 64;
/** Of what looks like nesting in a YAML text before it is parsed: generous, for brackets in texts look like it too. */
const apparentDepthMax = 1_000;

export type Document =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly errors: DefinitionFault[] };

const refused = (message: string, path = ''): Document => ({ ok: false, errors: [{ path, message }] });

export function readDocument(text: string, format: 'json' | 'yaml'): Document {
  const bytes = Buffer.byteLength(text);
  if (bytes > definitionBytesMax)
    return refused(`the definition has ${bytes} bytes; at most ${definitionBytesMax} (1 MiB) are allowed: shorten it`);
  const body = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  return format === 'json' ? readJson(body) : readYaml(body);
}

function readJson(text: string): Document {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const where = /position (\d+)/.exec((error as Error).message)?.[1];
    return refused(
      `the text is not JSON${where === undefined ? '' : `: it breaks at character ${Number(where) + 1}`}; correct it, or send YAML as application/yaml`,
    );
  }
  const errors = scanJson(text);
  return errors.length === 0 ? { ok: true, value } : { ok: false, errors };
}

interface Level {
  /** Keys seen so far; undefined for an array. */
  readonly keys: Set<string> | undefined;
  key: string;
  index: number;
}

/** Doubled keys and excessive depth in a text that JSON.parse has accepted. */
function scanJson(text: string): DefinitionFault[] {
  const errors: DefinitionFault[] = [];
  const levels: Level[] = [];
  let atKey = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === 0x22) {
      const start = i++;
      for (; text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++;
      if (!atKey) continue;
      atKey = false;
      const level = levels[levels.length - 1]!;
      const key = JSON.parse(text.slice(start, i + 1)) as string;
      level.key = key;
      if (level.keys!.has(key) && errors.length < faultsMax)
        errors.push(doubled(levels.map((l) => (l.keys === undefined ? l.index : l.key))));
      level.keys!.add(key);
    } else if (char === 0x7b || char === 0x5b) {
      if (levels.length === depthMax)
        return [{ path: '', message: `the definition nests deeper than ${depthMax} levels: flatten it` }];
      levels.push({ keys: char === 0x7b ? new Set() : undefined, key: '', index: 0 });
      atKey = char === 0x7b;
    } else if (char === 0x7d || char === 0x5d) {
      levels.pop();
      atKey = false;
    } else if (char === 0x2c) {
      const level = levels[levels.length - 1]!;
      if (level.keys === undefined) level.index++;
      else atKey = true;
    }
  }
  return errors;
}

const doubled = (path: readonly PropertyKey[]): DefinitionFault => ({
  path: pointer(path),
  message: `key ${JSON.stringify(String(path[path.length - 1]).slice(0, 64))} stands twice in one object: remove one`,
});

function readYaml(text: string): Document {
  try {
    if (apparentDepth(text) > apparentDepthMax)
      return refused(`the definition nests deeper than ${depthMax} levels: flatten it`);
    const document = parseDocument(text, {
      schema: 'core',
      version: '1.2',
      merge: false,
      uniqueKeys: false,
      prettyErrors: false,
      logLevel: 'error',
    });
    const complaints = [...document.errors, ...document.warnings];
    if (complaints.some(({ message }) => message.startsWith('Maximum call stack'))) throw new RangeError('too deep');
    if (complaints.length > 0) {
      return {
        ok: false,
        errors: complaints.slice(0, faultsMax).map((fault) => ({
          path: '',
          message: `line ${lineOf(text, fault.pos[0])}: ${yamlFault(fault.code, fault.message)}`,
        })),
      };
    }
    const walk = new YamlWalk();
    walk.size(document.contents, []);
    if (walk.errors.length > 0) return { ok: false, errors: walk.errors };
    return { ok: true, value: document.toJS({ maxAliasCount: -1 }) as unknown };
  } catch (error) {
    if (error instanceof RangeError) return refused(`the definition nests deeper than ${depthMax} levels: flatten it`);
    return refused('the text is not YAML 1.2: correct it, or send JSON as application/json');
  }
}

const yamlFault = (code: string, message: string): string =>
  code === 'TAG_RESOLVE_FAILED'
    ? 'custom tags are not allowed: remove the tag'
    : `${message.split('\n')[0]!.slice(0, 160)}: correct the YAML`;

function lineOf(text: string, at: number): number {
  let line = 1;
  for (let i = text.indexOf('\n'); i !== -1 && i < at; i = text.indexOf('\n', i + 1)) line++;
  return line;
}

/** The deepest run of open brackets outside of strings, or of block indicators in one line, roughly: so that a megabyte of them costs nothing. */
function apparentDepth(text: string): number {
  let depth = 0;
  let indicators = 0;
  let deepest = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '[' || char === '{') depth++;
    else if (char === ']' || char === '}') depth = Math.max(0, depth - 1);
    else if (char === '"' || char === "'") depth = 0;
    if ((char === '-' || char === '?') && text[i + 1] === ' ') indicators++;
    else if (char !== ' ') indicators = 0;
    deepest = Math.max(deepest, depth, indicators);
  }
  return deepest;
}

/** Sums what a document expands to, each anchor measured once, and finds doubled keys and anchors inside of themselves. */
class YamlWalk {
  readonly errors: DefinitionFault[] = [];
  readonly #anchored = new Map<string, { node: Node; size: number | undefined }>();

  size(node: unknown, path: readonly PropertyKey[]): number {
    if (this.errors.length >= faultsMax) return 0;
    if (path.length > depthMax) throw new RangeError('too deep');
    if (isAlias(node)) return this.#alias(node, path);
    const anchor = isMap(node) || isSeq(node) || isScalar(node) ? node.anchor : undefined;
    const entry = anchor === undefined ? undefined : { node: node as Node, size: undefined as number | undefined };
    if (anchor !== undefined && entry !== undefined) this.#anchored.set(anchor, entry);
    const size = this.#ownSize(node, path);
    if (entry !== undefined) entry.size = size;
    if (size > definitionBytesMax && this.errors.length === 0) {
      this.errors.push({
        path: pointer(path),
        message: `with its anchors expanded the definition exceeds ${definitionBytesMax} bytes (1 MiB): repeat less`,
      });
    }
    return size;
  }

  #ownSize(node: unknown, path: readonly PropertyKey[]): number {
    if (isSeq(node)) return node.items.reduce<number>((sum, item, i) => sum + 1 + this.size(item, [...path, i]), 2);
    if (isMap(node)) {
      const keys = new Set<string>();
      let sum = 2;
      for (const pair of node.items) {
        if (this.errors.length >= faultsMax) return sum;
        if (!isScalar(pair.key)) {
          this.errors.push({
            path: pointer(path),
            message: 'a key must be a plain text: complex keys and aliases as keys are not allowed',
          });
          continue;
        }
        const key = String(pair.key.value);
        if (keys.has(key)) this.errors.push(doubled([...path, key]));
        keys.add(key);
        sum += 2 + this.size(pair.key, path) + this.size(pair.value, [...path, key]);
      }
      return sum;
    }
    if (isScalar(node)) return typeof node.value === 'string' ? node.value.length + 2 : 6;
    return 4;
  }

  #alias(alias: Alias, path: readonly PropertyKey[]): number {
    const entry = this.#anchored.get(alias.source);
    if (entry === undefined || entry.size === undefined) {
      const why = entry === undefined ? 'names no anchor before it' : 'stands inside of its own anchor';
      this.errors.push({
        path: pointer(path),
        message: `alias *${alias.source.slice(0, 64)} ${why}: write the value out`,
      });
      return 0;
    }
    return entry.size;
  }
}
