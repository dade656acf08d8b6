/** The bytes of the newest commits, bounded: reads of what is hot touch no disk. Commits are appended in the order of the log. */
export class TailCache {
  readonly #commits: { position: number; bytes: Buffer }[] = [];
  /** Commits before this index were let go; the array is cut from time to time. */
  #first = 0;
  #bytes = 0;

  constructor(private readonly bytesMax: number) {}

  add(position: number, bytes: Buffer): void {
    this.#commits.push({ position, bytes });
    this.#bytes += bytes.length;
    while (this.#bytes > this.bytesMax && this.#first < this.#commits.length) {
      const gone = this.#commits[this.#first++] as { bytes: Buffer };
      this.#bytes -= gone.bytes.length;
      gone.bytes = nothing;
    }
    if (this.#first > 1024 && this.#first * 2 > this.#commits.length) {
      this.#commits.splice(0, this.#first);
      this.#first = 0;
    }
  }

  /** A view of [position, position + length) if all of it is here. */
  find(position: number, length: number): Buffer | undefined {
    let low = this.#first;
    let high = this.#commits.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const commit = this.#commits[middle] as { position: number; bytes: Buffer };
      if (position < commit.position) high = middle - 1;
      else if (position >= commit.position + commit.bytes.length) low = middle + 1;
      else {
        const start = position - commit.position;
        if (start + length <= commit.bytes.length) return commit.bytes.subarray(start, start + length);
        return this.#across(middle, start, length);
      }
    }
    return undefined;
  }

  /** A run may span several commits that touch. */
  #across(index: number, start: number, length: number): Buffer | undefined {
    const out = Buffer.allocUnsafe(length);
    let filled = 0;
    let from = start;
    for (let i = index; filled < length; i++, from = 0) {
      const commit = this.#commits[i];
      const before = this.#commits[i - 1];
      if (commit === undefined) return undefined;
      if (i > index && before !== undefined && before.position + before.bytes.length !== commit.position)
        return undefined;
      filled += commit.bytes.copy(out, filled, from, Math.min(commit.bytes.length, from + length - filled));
    }
    return out;
  }
}
const nothing = Buffer.alloc(0);
