/** What the contract calls text: UTF-8, NFC, without control characters, measured in code points. */

const control = /[\p{Cc}\u2028\u2029]/u;
/** As {@link control}, but line breaks and tabs are allowed: descriptions, clue texts. */
const controlInLines = /(?![\t\n\r])\p{Cc}/u;
const loneSurrogate = /\p{Surrogate}/u;
const plain = /^[ -~]*$/;

export interface TextLimits {
  readonly min: number;
  readonly max: number;
  /** Line breaks allowed. */
  readonly lines?: boolean;
}

export const codePoints = (text: string): number => {
  let count = 0;
  for (const _ of text) count++;
  return count;
};

/** Marks on one character. Unicode's stream-safe format has the same bound: no language needs more. */
export const marksMax = 30;
const stacked = new RegExp(`\\p{M}{${marksMax + 1}}`, 'u');

/**
 * ASCII, which nearly all texts are, is normalised already. Sorting a run of marks takes the square of its length (5 s for
 * 64 Ki of them), so that a text which stacks too many stays as it is, for {@link textFault} to refuse.
 */
export const nfc = (text: string): string => (plain.test(text) || stacked.test(text) ? text : text.normalize('NFC'));

/** What is wrong with a text that was normalised already; undefined if nothing. The sentence starts behind the field's name. */
export function textFault(text: string, { min, max, lines = false }: TextLimits): string | undefined {
  if (loneSurrogate.test(text)) return 'must be well-formed Unicode: it holds half of a surrogate pair';
  if ((lines ? controlInLines : control).test(text)) {
    return lines
      ? 'must not hold control characters other than line breaks: remove them'
      : 'must not hold control characters or line breaks: remove them';
  }
  if (!plain.test(text) && stacked.test(text))
    return `must not stack more than ${marksMax} marks on one character: remove some`;
  const length = text.length <= max && text.length >= min * 2 ? min : codePoints(text);
  if (length < min) return `must have at least ${min} character${min === 1 ? '' : 's'}, has ${length}: lengthen it`;
  if (length > max) return `must have at most ${max} characters, has ${length}: shorten it`;
  return undefined;
}
