/** Collects encoded replies into ReplyBatch bytes. Every batch gets a buffer of its own, since the stream keeps it until it is sent. */
export const replyBatchBytesMax = 256 * 1024;
const firstBytes = 8 * 1024;

export class ReplyBox {
  #buffer = Buffer.allocUnsafeSlow(firstBytes);
  #at = 0;
  #count = 0;
  /** Of the batch before: the next one is likely as large. */
  #expected = firstBytes;

  get count(): number {
    return this.#count;
  }
  get bytes(): number {
    return this.#at;
  }
  get full(): boolean {
    return this.#at >= replyBatchBytesMax;
  }

  /** Copies the reply. */
  add(reply: Uint8Array): void {
    const { length } = reply;
    this.#ensure(length + 6);
    const out = this.#buffer;
    let at = this.#at;
    out[at++] = 0x0a;
    let rest = length;
    for (; rest >= 0x80; rest >>>= 7) out[at++] = (rest & 0x7f) | 0x80;
    out[at++] = rest;
    out.set(reply, at);
    this.#at = at + length;
    this.#count++;
  }

  /** The batch so far; the box is empty then. */
  take(): Buffer {
    const batch = this.#buffer.subarray(0, this.#at);
    this.#expected = Math.max(firstBytes, Math.min(replyBatchBytesMax, 2 ** Math.ceil(Math.log2(this.#at + 1))));
    this.#buffer = Buffer.alloc(0);
    this.#at = 0;
    this.#count = 0;
    return batch;
  }

  #ensure(more: number): void {
    const needed = this.#at + more;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#expected, this.#buffer.length * 2, needed));
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }
}
