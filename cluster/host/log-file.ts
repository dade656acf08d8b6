import { closeSync, copyFileSync, openSync, readSync, statSync, truncateSync } from 'node:fs';

/** A process's log file beyond this is moved to `<name>.1`, of which one is kept. */
export const logFileBytesMax = 16 * 1024 * 1024;

/**
 * Copied and cut rather than renamed, because the process that writes keeps its descriptor; it appends, so that it goes
 * on at the new end. Lines written between the copy and the cut are lost.
 */
export function rotateIfLarge(path: string): void {
  try {
    if (statSync(path).size <= logFileBytesMax) return;
    copyFileSync(path, `${path}.1`);
    truncateSync(path);
  } catch {
    // Not there yet, or the disk is full: not worth ending anything for.
  }
}

/** The last lines, for a report of why a process did not start. */
export function tail(path: string, bytes = 2_000): string {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const size = statSync(path).size;
    const buffer = Buffer.alloc(Math.min(bytes, size));
    readSync(file, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8').trim();
  } catch {
    return '';
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** The last line that tells something, short enough for a sentence: the error's message, of a line that is JSON. */
export function lastWords(path: string): string {
  const line = tail(path).split('\n').at(-1) ?? '';
  try {
    const { msg, err } = JSON.parse(line) as { msg?: string; err?: { message?: string } };
    return err?.message ?? msg ?? line;
  } catch {
    return line;
  }
}
