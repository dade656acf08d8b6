/** At most `max` holders at a time; the others wait in order, at most `waitingMax` of them. */
export class Permits {
  #held = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(
    readonly max: number,
    readonly waitingMax: number = Number.POSITIVE_INFINITY,
  ) {}

  get isFull(): boolean {
    return this.#held >= this.max && this.#waiting.length >= this.waitingMax;
  }

  async take(): Promise<void> {
    if (this.#held < this.max) this.#held++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#held--;
    else next();
  }
}
