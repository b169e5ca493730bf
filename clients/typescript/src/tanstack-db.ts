/** Collections of TanStack DB that are synced: its live queries over what this package keeps and sends. */

import type { CollectionConfig } from "@tanstack/db";
import type { Collection, Entity } from "./collection.js";

/** A collection of a synced app, and what TanStack DB calls it. */
export interface SynclineCollection<T extends object> {
  readonly collection: Collection<T>;
  readonly id?: string;
}

/** Return the options of `createCollection` for a collection of a synced app, such as `sync.todo`. */
export function synclineCollectionOptions<T extends object>({
  collection,
  id = collection.type,
}: SynclineCollection<T>): CollectionConfig<Entity<T>, string> {
  return {
    id,
    getKey: (entity) => entity.id,
    sync: {
      // What waits for the server is part of what is shown here, so all of it is written as it is.
      sync: ({ begin, write, commit, markReady }) => {
        let known = new Map<string, Entity<T>>();
        const stop = collection.subscribe((entities) => {
          const now = new Map(entities.map((entity) => [entity.id, entity]));
          const changed = entities.filter((entity) => known.get(entity.id) !== entity);
          const gone = [...known.values()].filter((entity) => !now.has(entity.id));
          if (changed.length || gone.length) {
            begin();
            for (const value of changed) write({ type: known.has(value.id) ? "update" : "insert", value });
            for (const value of gone) write({ type: "delete", value });
            commit();
          }
          known = now;
        });
        void collection.firstSync.then(() => markReady());
        return stop;
      },
      rowUpdateMode: "full",
    },
    onInsert: ({ transaction }) =>
      each(transaction.mutations.map(({ modified }) => collection.create(modified as Entity<T>))),
    onUpdate: ({ transaction }) =>
      each(transaction.mutations.map(({ key, changes }) => collection.update(key as string, changes as Partial<T>))),
    onDelete: ({ transaction }) => each(transaction.mutations.map(({ key }) => collection.delete(key as string))),
  };
}

/** Wait until all is kept on this device; what the server makes of it comes by itself. */
async function each(written: readonly Promise<unknown>[]): Promise<void> {
  await Promise.all(written);
}
