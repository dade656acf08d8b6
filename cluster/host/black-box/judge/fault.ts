/** What a judge found. An empty list is the only good verdict. */
export interface Fault {
  readonly kind: string;
  readonly detail: string;
  readonly version?: number;
}

export const fault = (kind: string, detail: string, version?: number): Fault => ({
  kind,
  detail,
  ...(version === undefined ? {} : { version }),
});

/** The list in words, for an assertion's message. */
export const told = (faults: readonly Fault[]): string =>
  faults
    .slice(0, 12)
    .map((one) => `${one.kind}${one.version === undefined ? '' : ` at version ${one.version}`}: ${one.detail}`)
    .join('\n');
