/** Why a slot is not archived. All else that may happen passes by itself. */

/** The archive and the log are not of one history, or lost a part of it that both should have: an operator must look. */
export class ArchiveConflictError extends Error {
  override readonly name = 'ArchiveConflictError';
}

/** Somebody else archives the slot too and is further: it must be opened again. */
export class SlotMovedError extends Error {
  override readonly name = 'SlotMovedError';
}
