/** Who listens to what. */

type Listener = (value: never) => void;

/** Calls those who listen to a name. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Listener>>();

  /** Listen; returns what ends it. */
  on<N extends keyof Events>(name: N, listener: (value: Events[N]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  emit<N extends keyof Events>(name: N, value: Events[N]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(value as never);
      } catch (error) {
        // A listener's failure is the app's: it is told as any other of its errors, and stops nothing here.
        setTimeout(() => {
          throw error;
        });
      }
    }
  }
}
