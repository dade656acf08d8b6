/** How a benchmark speaks: sentences for people on stderr, one JSON document on stdout. */
import { cpus } from 'node:os';
import { argv, env } from 'node:process';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

export interface Report {
  readonly bench: string;
  readonly measured: Readonly<Record<string, unknown>>;
  readonly not_measured: readonly string[];
  /** The bare thing underneath, in the same run; ratios to it outlive a change of machine. */
  readonly floor?: Readonly<Record<string, unknown>>;
  readonly conditions: Readonly<Record<string, unknown>>;
}

export const conditions = (more: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => ({
  cpus: cpus().length,
  cpu: cpus()[0]?.model ?? 'unknown',
  node: process.version,
  durability: env.HUNT_LOG_SYNC === 'process' ? 'process' : 'power',
  ...more,
});

export const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

export function print(report: Report): void {
  for (const [name, value] of Object.entries(report.measured))
    say(`  ${name}: ${typeof value === 'object' ? JSON.stringify(value) : value}`);
  for (const [name, value] of Object.entries(report.floor ?? {}))
    say(`  floor ${name}: ${typeof value === 'object' ? JSON.stringify(value) : value}`);
  for (const text of report.not_measured) say(`  not measured: ${text}`);
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

/**
 * Numeric flags with defaults: `--rate 25000`. A flag that has `words` takes one of them, too, and is its number. An unknown flag
 * or another value ends the program with 2.
 */
export function numericFlags<T extends Readonly<Record<string, number>>>(
  defaults: T,
  words: { readonly [K in keyof T]?: readonly string[] } = {},
): { readonly [K in keyof T]: number } {
  try {
    const options = Object.fromEntries(Object.keys(defaults).map((name) => [name, { type: 'string' as const }]));
    const { values } = parseArgs({ options, strict: true });
    const numbers = Object.entries(defaults).map(([name, fallback]) => {
      const given = values[name];
      const among = words[name] ?? [];
      const value = given === undefined ? fallback : among.includes(given) ? among.indexOf(given) : Number(given);
      if (!Number.isFinite(value) || value < 0 || (among.length > 0 && value >= among.length))
        throw new Error(`--${name} takes ${among.length > 0 ? among.join(', ') : 'a number'}, not "${given}"`);
      return [name, value] as const;
    });
    return Object.fromEntries(numbers) as { readonly [K in keyof T]: number };
  } catch (error) {
    say(
      `${(error as Error).message}. Flags: ${Object.keys(defaults)
        .map((name) => `--${name} ${words[name]?.[defaults[name] as number] ?? defaults[name]}`)
        .join(' ')}`,
    );
    return process.exit(2);
  }
}

/** Whether that module is the program that was started. */
export const isMain = (url: string): boolean => argv[1] !== undefined && pathToFileURL(argv[1]).href === url;
