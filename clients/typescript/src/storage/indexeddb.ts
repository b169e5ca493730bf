import type { Storage, Store, Write } from "./storage.js";

const RECORDS = "records";
const LEASE = "lease";

/** Keep everything in IndexedDB, in a database of this name for each user. Tabs of one origin share it. */
export function indexedDb(name: string): Storage {
  return {
    async open(part) {
      const fullName = part ? `${name}/${part}` : name;
      const opening = indexedDB.open(fullName, 1);
      opening.onupgradeneeded = () => {
        opening.result.createObjectStore(RECORDS);
        opening.result.createObjectStore(LEASE);
      };
      return new IndexedDbStore(fullName, await result(opening));
    },
  };
}

class IndexedDbStore implements Store {
  constructor(
    readonly shared: string,
    private readonly database: IDBDatabase,
  ) {
    database.onversionchange = () => database.close(); // the app deletes it
  }

  async load(): Promise<Iterable<Write>> {
    const records = this.database.transaction(RECORDS).objectStore(RECORDS);
    const [keys, values] = await Promise.all([result(records.getAllKeys()), result(records.getAll())]);
    return keys.map((key, index): Write => [key as string, values[index]]);
  }

  async write(writes: readonly Write[], lasting: boolean): Promise<void> {
    const transaction = this.database.transaction(RECORDS, "readwrite", {
      durability: lasting ? "strict" : "relaxed",
    });
    const records = transaction.objectStore(RECORDS);
    for (const [key, value] of writes) {
      if (value === undefined) records.delete(key);
      else records.put(value, key);
    }
    await done(transaction);
  }

  async clear(): Promise<void> {
    const transaction = this.database.transaction(RECORDS, "readwrite");
    transaction.objectStore(RECORDS).clear();
    await done(transaction);
  }

  async lease(owner: string, ms: number): Promise<boolean> {
    const leases = this.database.transaction(LEASE, "readwrite").objectStore(LEASE);
    const held = (await result(leases.get(LEASE))) as { owner: string; until: number } | undefined;
    const isFree = !held || held.owner === owner || held.until < Date.now();
    if (isFree) leases.put({ owner, until: Date.now() + ms }, LEASE);
    return isFree;
  }

  close(): void {
    this.database.close();
  }
}

function result<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function done(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
}
