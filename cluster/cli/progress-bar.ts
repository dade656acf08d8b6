import { SingleBar } from 'cli-progress';

/** A bar on stderr while somebody watches; nothing at all in a pipe or with --quiet. */
export class ProgressBar {
  readonly #bar: SingleBar | undefined;
  constructor(format: string, quiet: boolean) {
    if (quiet || !process.stderr.isTTY) return;
    this.#bar = new SingleBar({
      format,
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true,
      barCompleteChar: '█',
      barIncompleteChar: '░',
    });
    this.#bar.start(1, 0, { note: '' });
  }
  /** `done` from 0 to 1. */
  update(done: number, note: string): void {
    this.#bar?.update(done, { note });
  }
  stop(): void {
    this.#bar?.stop();
  }
}
