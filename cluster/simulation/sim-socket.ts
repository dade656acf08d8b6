/**
 * One end of a simulated connection, as Node's streams show it: what is written leaves through a {@link Flow}, what arrives is
 * pushed by one. Owns the stream's own state; bytes on their way are the flow's.
 */
import { Duplex } from 'node:stream';
import type { Flow } from './flow.ts';
import type { SimProcess } from './sim-process.ts';

type Done = (error?: Error | null) => void;

export class SimSocket extends Duplex {
  /** Undefined until the connection stands. */
  #out: Flow | undefined;
  #unsent: { readonly parts: readonly Buffer[]; readonly done: Done } | undefined;
  /** The reader wants no more at present. */
  isFull = false;
  /** Called when the reader wants more. */
  wantsMore: (() => void) | undefined;
  onDestroyed: (() => void) | undefined;

  constructor(
    readonly process: SimProcess,
    /** Of its process, when it was made: a later life knows nothing of it. */
    readonly life: number,
    readonly peerName: string,
  ) {
    super({ allowHalfOpen: false, emitClose: true });
  }

  get remoteAddress(): string {
    return this.peerName;
  }

  established(out: Flow): void {
    this.#out = out;
    const unsent = this.#unsent;
    this.#unsent = undefined;
    if (unsent !== undefined) out.send(unsent.parts, unsent.done);
  }

  override _write(chunk: Buffer, _encoding: string, done: Done): void {
    this.#send([chunk], done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: Done): void {
    this.#send(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  #send(parts: readonly Buffer[], done: Done): void {
    if (this.#out === undefined) this.#unsent = { parts, done };
    else this.#out.send(parts, done);
  }

  override _final(done: Done): void {
    this.#out?.finish('fin');
    done();
  }

  override _read(): void {
    if (!this.isFull) return;
    this.isFull = false;
    this.wantsMore?.();
  }

  override _destroy(error: Error | null, done: Done): void {
    this.onDestroyed?.();
    this.#out?.finish('fin');
    done(error);
  }
}
