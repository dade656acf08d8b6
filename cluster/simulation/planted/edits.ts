/** Changes a module's text. Throws when a place is not there, or not the only one. */
import type { Edit } from './planted-bugs.ts';

export function applyEdits(source: string, edits: readonly Edit[]): string {
  let text = source;
  for (const { file, find, replace } of edits) {
    const places = text.split(find).length - 1;
    if (places !== 1) throw new Error(`${file}: ${JSON.stringify(find)} occurs ${places} times: plant the bug anew`);
    text = text.replace(find, () => replace);
  }
  return text;
}
