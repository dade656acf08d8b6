/** Module hooks of Node: changes the modules that a planted bug names, as they are loaded. Runs in the loader's own thread. */

import { applyEdits } from './edits.ts';
import type { Edit } from './planted-bugs.ts';

let edits: readonly Edit[] = [];

export function initialize(data: readonly Edit[]): void {
  edits = data;
}

interface Loaded {
  readonly format: string;
  readonly source?: string | ArrayBuffer | Uint8Array;
}

export async function load(
  url: string,
  context: object,
  next: (url: string, context: object) => Promise<Loaded>,
): Promise<Loaded> {
  const loaded = await next(url, context);
  const here = edits.filter(({ file }) => url.endsWith(`/${file}`));
  if (here.length === 0 || loaded.source === undefined) return loaded;
  const source =
    typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString();
  return { ...loaded, source: applyEdits(source, here) };
}
