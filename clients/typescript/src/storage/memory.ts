import type { Storage, Store, Write } from "./storage.js";

/** Keep everything in memory, for tests and for what need not outlive the page. */
export function memory(): Storage {
  const stores = new Map<string, Map<string, string>>();
  return {
    async open(name): Promise<Store> {
      const kept = stores.get(name) ?? new Map<string, string>();
      stores.set(name, kept);
      return {
        load: async () => [...kept].map(([key, text]): Write => [key, JSON.parse(text)]),
        async write(writes) {
          for (const [key, value] of writes) {
            if (value === undefined) kept.delete(key);
            else kept.set(key, JSON.stringify(value));
          }
        },
        clear: async () => kept.clear(),
        close: () => undefined,
      };
    },
  };
}
