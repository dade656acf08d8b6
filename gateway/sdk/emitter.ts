/** Typed listeners: `on` returns how to stop listening. A listener that throws does not keep the others from being called. */
export class Emitter<Events extends { [K in keyof Events]: readonly unknown[] }> {
  #listeners = new Map<keyof Events, Set<unknown>>();

  on<K extends keyof Events>(name: K, listener: (...args: Events[K]) => void): () => void {
    const set = this.#listeners.get(name) ?? new Set<unknown>();
    this.#listeners.set(name, set);
    set.add(listener);
    return () => set.delete(listener);
  }

  emit<K extends keyof Events>(name: K, ...args: Events[K]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        (listener as (...args: Events[K]) => void)(...args);
      } catch (error) {
        // Reported as an uncaught error of its own, so that the fault is seen and the protocol goes on.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** The next emission for which `accept` holds. */
  once<K extends keyof Events>(name: K, accept: (...args: Events[K]) => boolean = () => true): Promise<Events[K]> {
    return new Promise((resolve) => {
      const stop = this.on(name, (...args) => {
        if (!accept(...args)) return;
        stop();
        resolve(args);
      });
    });
  }
}
