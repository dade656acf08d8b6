/** A set of seqs as ranges: a player's seqs are almost always one after another, so that a long history stays small. */
export class SeqRanges {
  /** start, end (inclusive), start, end …, ascending, never touching. */
  #bounds: number[] = [];

  /** Adds the seq; false when it was there already. */
  add(seq: number): boolean {
    const bounds = this.#bounds;
    // New seqs are near the end: look from there for the last range that starts at or before this one.
    let at = bounds.length - 2;
    while (at >= 0 && (bounds[at] as number) > seq) at -= 2;
    if (at >= 0 && seq <= (bounds[at + 1] as number)) return false;
    const joinsBefore = at >= 0 && bounds[at + 1] === seq - 1;
    const joinsAfter = bounds[at + 2] === seq + 1;
    if (joinsBefore && joinsAfter) bounds.splice(at + 1, 2);
    else if (joinsBefore) bounds[at + 1] = seq;
    else if (joinsAfter) bounds[at + 2] = seq;
    else bounds.splice(at + 2, 0, seq, seq);
    return true;
  }
}
