/** Resolves at the first Ctrl-C or SIGTERM; the second ends the process as usual. */
export const interrupted = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
