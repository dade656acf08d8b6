/** The CLI's exit codes, and what each failure becomes on stderr. */
import { CommanderError } from 'commander';
import { HuntError } from '../../gateway/sdk/hunt-error.ts';

export const exitCode = { done: 0, no: 1, usage: 2, unreachable: 3, refused: 4, interrupted: 130 } as const;

/** Wrong use of a command, found out while it ran. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface Failure {
  readonly exit: number;
  /** For stderr: `CODE: message`, then one line a fault. */
  readonly lines: readonly string[];
}

export function failureOf(error: unknown): Failure {
  // Commander has written its message already; --help and --version are no failures.
  if (error instanceof CommanderError)
    return { exit: error.exitCode === 0 ? exitCode.done : exitCode.usage, lines: [] };
  if (error instanceof UsageError) return { exit: exitCode.usage, lines: [`INVALID: ${error.message}`] };
  if (error instanceof Error && error.name === 'ConfigError') {
    const { faults } = error as Error & { faults: readonly string[] };
    return { exit: exitCode.usage, lines: faults.map((fault) => `INVALID: ${fault}`) };
  }
  if (error instanceof HuntError) {
    const lost = error.code === 'UNREACHABLE' || (error.code === 'CLOSED' && error.closeCode === undefined);
    const faults = error.errors.map((fault) => `  ${fault.path === '' ? '/' : fault.path}: ${fault.message}`);
    const quote = error.instance === undefined ? [] : [`  quote this when you report it: ${error.instance}`];
    const lines = [`${error.code}: ${error.message}`, ...faults, ...quote];
    return { exit: lost ? exitCode.unreachable : exitCode.refused, lines };
  }
  const { stack, message } = error as Error;
  return { exit: exitCode.no, lines: [`INTERNAL: ${stack ?? message ?? String(error)}`] };
}
