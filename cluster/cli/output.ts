/** Where things go: results to stdout, progress and errors to stderr; colours only where somebody looks at them. */
export interface OutputFlags {
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const colours = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 } as const;
export type Colour = keyof typeof colours;
export type Paint = (colour: Colour, text: string) => string;

/** `hasColors` knows NO_COLOR, FORCE_COLOR and the terminal; a pipe has none. */
export const paintFor = (stream: NodeJS.WriteStream): Paint =>
  stream.isTTY && stream.hasColors()
    ? (colour, text) => `\u001b[${colours[colour]}m${text}\u001b[0m`
    : (_, text) => text;

export class Output {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly paint: Paint = paintFor(process.stdout);

  constructor(flags: OutputFlags) {
    this.json = flags.json ?? false;
    this.quiet = flags.quiet ?? false;
  }

  /** The command's result: the document itself with --json, else what a person reads. */
  result(document: unknown, human: () => string): void {
    process.stdout.write(`${this.json ? JSON.stringify(document) : human()}\n`);
  }
  progress(text: string): void {
    if (!this.quiet) process.stderr.write(`${text}\n`);
  }
}

/** Columns as wide as their widest cell; a column whose name starts with `>` is set to the right. */
export function table(
  columns: readonly string[],
  rows: readonly (readonly (string | number | undefined)[])[],
  paint?: Paint,
): string {
  const right = columns.map((name) => name.startsWith('>'));
  const head = columns.map((name) => name.replace(/^>/, ''));
  const cells = rows.map((row) => row.map((cell) => String(cell ?? '')));
  const widths = head.map((name, i) => Math.max(width(name), ...cells.map((row) => width(row[i] ?? ''))));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => {
        const gap = ' '.repeat(Math.max(0, (widths[i] ?? 0) - width(cell)));
        return right[i] ? gap + cell : cell + gap;
      })
      .join('  ')
      .trimEnd();
  return [paint ? paint('bold', line(head)) : line(head), ...cells.map(line)].join('\n');
}
/** What a cell takes on the screen: code points, without the colours. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control sequences
const width = (text: string): number => [...text.replace(/\u001b\[\d+m/g, '')].length;

export const localTime = (ms: number): string => new Date(ms).toLocaleTimeString(undefined, { hour12: false });
export const localDateTime = (ms: number | undefined): string =>
  ms === undefined ? '–' : new Date(ms).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
