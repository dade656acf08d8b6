/**
 * How full the log is. Appends are refused as full by those who append, not by JetStream's `max_bytes`: up to 2.10.9 a
 * stream with `discard: new` compares without what a message costs beside its bytes, and then drops its *oldest* messages
 * to get below its limit (measured on 2.9.10), which would be history that no archive has. Owns an estimate, asked anew
 * about once a second, and sooner when little is left; it may be passed by what is appended meanwhile. The hard end is the
 * server's own `max_file_store`, where JetStream refuses and drops nothing.
 */
import type { JetStreamApi } from './jetstream-api.ts';
import type { NatsLink } from './nats-link.ts';

const askMs = 1_000;
/** Asked sooner when this part of what was left has been appended here. */
const eager = 1 / 8;

export class LogGauge {
  #bytes = 0;
  #appended = 0;
  #askedMs = Number.NEGATIVE_INFINITY;
  #isWanted = false;
  #asking: Promise<void> | undefined;

  constructor(
    private readonly link: NatsLink,
    private readonly api: JetStreamApi,
    private readonly stream: string,
    readonly bytesMax: number,
  ) {
    link.listen({ tick: () => this.#tick() });
  }

  get bytes(): number {
    return this.#bytes + this.#appended;
  }

  get isFull(): boolean {
    this.#isWanted = true;
    return this.bytes >= this.bytesMax;
  }

  appended(bytes: number): void {
    this.#appended += bytes;
  }

  ask(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #ask(): Promise<void> {
    this.#askedMs = this.link.awakeMs;
    this.#isWanted = false;
    const before = this.#appended;
    const { bytes } = await this.api.state(this.stream);
    this.#bytes = bytes;
    this.#appended -= before;
  }

  #tick(): void {
    if (!this.#isWanted || !this.link.isUp) return;
    const isDue = this.link.awakeMs - this.#askedMs >= askMs;
    // If that fails, the last estimate stands.
    if (isDue || this.#appended > (this.bytesMax - this.#bytes) * eager) this.ask().catch(() => undefined);
  }
}
