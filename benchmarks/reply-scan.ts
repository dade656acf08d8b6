/**
 * Reads hunt.v1.ReplyBatch just as far as a load generator must: whose reply, which seq, ack or nack. A hundred times as many
 * replies pass here as in any client, so nothing is decoded that nobody looks at.
 */
type Found = (player: number, seq: number, nackCode: string | undefined, retryMs: number | undefined) => void;

const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

export class ReplyScan {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;

  /** Calls `found` for every reply. The player's number is what stands behind the `p` of its id. */
  each(bytes: Uint8Array, found: Found): void {
    this.#bytes = bytes;
    this.#at = 0;
    while (this.#at < bytes.length) {
      this.#varint(); // The tag of `replies`, the only field.
      const end = this.#varint() + this.#at;
      this.#reply(end, found);
      this.#at = end;
    }
  }

  #reply(end: number, found: Found): void {
    let player = 0;
    let seq = 0;
    let code: string | undefined;
    let retryMs: number | undefined;
    while (this.#at < end) {
      const tag = this.#varint();
      if (tag === 0x12) {
        const stop = this.#varint() + this.#at;
        for (let i = this.#at + 1; i < stop; i++) player = player * 10 + (this.#bytes[i] as number) - 48;
        this.#at = stop;
      } else if (tag === 0x18) seq = this.#varint();
      else if (tag === 0x2a) {
        const stop = this.#varint() + this.#at;
        ({ code, retryMs } = this.#nack(stop));
        this.#at = stop;
      } else this.#skip(tag & 7);
    }
    found(player, seq, code, retryMs);
  }

  #nack(end: number): { code: string; retryMs: number | undefined } {
    let code = '';
    let retryable = false;
    let retryMs = 0;
    while (this.#at < end) {
      const tag = this.#varint();
      if (tag === 0x0a) {
        const length = this.#varint();
        code = Buffer.from(this.#bytes.subarray(this.#at, this.#at + length)).toString('latin1');
        this.#at += length;
      } else if (tag === 0x18) retryable = this.#varint() === 1;
      else if (tag === 0x20) retryMs = this.#varint();
      else this.#skip(tag & 7);
    }
    return { code, retryMs: retryable ? retryMs : undefined };
  }

  #skip(type: number): void {
    if (type === wire.varint) this.#varint();
    else if (type === wire.bytes) {
      const length = this.#varint(); // Read first: it moves `at` itself.
      this.#at += length;
    } else if (type === wire.fixed64) this.#at += 8;
    else if (type === wire.fixed32) this.#at += 4;
    else throw new Error(`wire type ${type} in a reply`);
  }

  #varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new Error('a reply batch ends early');
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }
}
