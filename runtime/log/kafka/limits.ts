/** What a slot's index and checkpoints are cut by, in records; smaller in tests, so that small histories have all of it. */
export interface SlotLimits {
  /** From a range's first record to its last, at most. */
  readonly rangeSpan: number;
  /** Between two landmarks, at least. */
  readonly landmarkSpan: number;
  /** A reader that is so far behind looks for a newer checkpoint before it folds everything. */
  readonly behindMax: number;
  /** Between two checkpoints, at least; more where the index itself is larger, so that it costs no more than the records. */
  readonly checkpointRecords: number;
}

export const slotLimits: SlotLimits = {
  rangeSpan: 1024,
  landmarkSpan: 1024,
  behindMax: 8192,
  checkpointRecords: 4096,
};
