import { createHash } from 'node:crypto';

/** How answers and codes are compared. */
export type Match = 'exact' | 'loose' | 'typo';

/**
 * NFKC, case-folded, accents and punctuation dropped, spaces collapsed. Upper then lower case folds what lower case alone
 * keeps apart (ß and SS, the two forms of sigma).
 */
export function looseForm(text: string): string {
  return text
    .normalize('NFKC')
    .toUpperCase()
    .toLowerCase()
    .normalize('NFD')
    .replace(/\p{M}+/gu, '')
    .replace(/\p{P}+/gu, '')
    .replace(/\s+/gu, ' ')
    .trim()
    .normalize('NFC');
}

/** An accepted text, prepared once for each definition. */
export interface Accepted {
  readonly form: string;
  readonly letters: readonly string[];
  readonly edits: number;
}

export function accepted(accept: string | number, match: Match): Accepted {
  const form = match === 'exact' ? String(accept) : looseForm(String(accept));
  const letters = [...form];
  return { form, letters, edits: match !== 'typo' || letters.length < 5 ? 0 : letters.length < 9 ? 1 : 2 };
}

export function answers(text: string, match: Match, accept: readonly Accepted[]): boolean {
  const form = match === 'exact' ? text : looseForm(text);
  if (accept.some((candidate) => candidate.form === form)) return true;
  if (match !== 'typo') return false;
  const letters = [...form];
  return accept.some(
    (candidate) =>
      candidate.edits > 0 &&
      Math.abs(candidate.letters.length - letters.length) <= candidate.edits &&
      editDistance(candidate.letters, letters) <= candidate.edits,
  );
}

/** Codes compare exactly after trimming and upper-casing. */
export const codeForm = (code: string): string => code.trim().toUpperCase();
export const codeHash = (form: string): string => createHash('sha256').update(form).digest('hex');

/**
 * Damerau-Levenshtein with adjacent transpositions and free edits between them (Lowrance and Wagner 1975): insert,
 * delete, replace or swap letters.
 */
export function editDistance(a: readonly string[], b: readonly string[]): number {
  const width = b.length + 2;
  const far = a.length + b.length;
  const table = new Uint32Array((a.length + 2) * width);
  const lastRow = new Map<string, number>();
  const cell = (i: number, j: number) => table[(i + 1) * width + j + 1]!;
  table[0] = far;
  for (let i = 0; i <= a.length; i++) {
    table[(i + 1) * width] = far;
    table[(i + 1) * width + 1] = i;
  }
  for (let j = 0; j <= b.length; j++) {
    table[j + 1] = far;
    table[width + j + 1] = j;
  }
  for (let i = 1; i <= a.length; i++) {
    let lastColumn = 0;
    for (let j = 1; j <= b.length; j++) {
      const row = lastRow.get(b[j - 1]!) ?? 0;
      const column = lastColumn;
      const same = a[i - 1] === b[j - 1];
      if (same) lastColumn = j;
      table[(i + 1) * width + j + 1] = Math.min(
        cell(i - 1, j - 1) + (same ? 0 : 1),
        cell(i, j - 1) + 1,
        cell(i - 1, j) + 1,
        cell(row - 1, column - 1) + (i - row - 1) + 1 + (j - column - 1),
      );
    }
    lastRow.set(a[i - 1]!, i);
  }
  return cell(a.length, b.length);
}
