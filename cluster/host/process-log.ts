/**
 * What a process tells of itself, on its stdout.
 *
 * Owns: the lines that a full disk did not take. A process that serves does not end because nobody can write down what it
 * says: lines wait in memory up to {@link waitingBytesMax} for the disk to take some again, the rest is lost and counted.
 */
import { type Logger, type LoggerOptions, pino } from 'pino';

export const waitingBytesMax = 1024 * 1024;

/** `file`: a descriptor. */
export function processLogger(options: LoggerOptions, file: number): Logger {
  const lines = pino.destination({ dest: file, sync: true, maxLength: waitingBytesMax });
  let lost = 0;
  lines.on('error', () => undefined);
  lines.on('drop', () => {
    lost++;
  });
  const logger = pino(options, lines);
  lines.on('drain', () => {
    if (lost === 0) return;
    const lostLines = lost;
    lost = 0;
    logger.warn({ lines: lostLines }, 'lines of this log were lost: the disk took none');
  });
  return logger;
}
