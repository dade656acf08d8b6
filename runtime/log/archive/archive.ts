/**
 * Where history goes before it leaves the log (I8), as narrow as an object store: named objects that are written once, whole.
 * Every adapter passes `archive.contract.ts`. What is in the objects is not its affair (record-object.ts, catalog.ts).
 */
export interface Archive {
  /**
   * Stores the object under its name, in place of one that is there. Resolves when it survives power loss; readers see it
   * whole or not at all, also after a crash. Storing the same again changes nothing; of several at once one wins, whole.
   */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** All objects whose names begin with `prefix` ("" or ending in "/"), by name. Contains all that was put before the call. */
  list(prefix: string): Promise<readonly ArchiveObject[]>;
  /** The object's bytes, or those of the range as far as it has them; undefined if there is no such object. */
  get(name: string, range?: ByteRange): Promise<Buffer | undefined>;
}

export interface ArchiveObject {
  readonly name: string;
  readonly bytes: number;
}

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** Thrown by all of it when the archive cannot be reached or cannot take more; nothing is known of what was asked. */
export class ArchiveUnavailableError extends Error {
  override readonly name = 'ArchiveUnavailableError';
}

const namePattern = /^[a-z0-9][a-z0-9.-]*(\/[a-z0-9][a-z0-9.-]*)*$/;
export const nameBytesMax = 200;

/** Throws {@link RangeError} for a name that not every store could hold. */
export function checkName(name: string): void {
  if (!namePattern.test(name) || name.length > nameBytesMax)
    throw new RangeError(`archive object "${name}": up to ${nameBytesMax} of a-z 0-9 . - in parts divided by /`);
}

/** Throws {@link RangeError} for what is no prefix. */
export function checkPrefix(prefix: string): void {
  if (prefix === '') return;
  if (!prefix.endsWith('/')) throw new RangeError(`archive prefix "${prefix}": must be empty or end in /`);
  checkName(prefix.slice(0, -1));
}
