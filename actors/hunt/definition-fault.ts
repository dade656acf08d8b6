/** One thing wrong in a definition. `path` is a JSON Pointer; the message names field, limit and remedy. */
export interface DefinitionFault {
  readonly path: string;
  readonly message: string;
}

/** More faults than that are counted, not listed. */
export const faultsMax = 200;

export const pointer = (path: readonly PropertyKey[]): string =>
  path.map((part) => `/${String(part).slice(0, 80).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
