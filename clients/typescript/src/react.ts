/** Hooks for React 18 and newer. */

import { createContext, createElement, useCallback, useContext, useSyncExternalStore } from "react";
import type { ReactNode } from "react";
import { Collection, select, type Entity, type Query, type Written } from "./collection.js";
import type { SyncStatus } from "./options.js";

/** What hooks need of a synced app. */
export interface Syncing {
  readonly status: SyncStatus;
  on(name: "status", listener: () => void): () => void;
}

const Context = createContext<Syncing | undefined>(undefined);

/** Give a synced app to `useSyncStatus` in the components below. */
export function SyncProvider({ sync, children }: { readonly sync: Syncing; readonly children?: ReactNode }): ReactNode {
  return createElement(Context.Provider, { value: sync }, children);
}

/** What `useCollection` returns. */
export interface Listed<T> {
  readonly data: readonly Entity<T>[];
  /** `loading` until everything has been read once. */
  readonly status: "loading" | "ready";
}

/** Show entities of a type, and render again whenever one changes. `suspense`: wait until all have been read once. */
export function useCollection<T extends object>(
  collection: Collection<T>,
  { suspense, ...query }: Query<T> & { readonly suspense?: boolean } = {},
): Listed<T> {
  const subscribe = useSubscription(collection);
  const read = useCallback(() => collection.list(), [collection]);
  const readWhole = useCallback(() => collection.isWhole, [collection]);
  const all = useSyncExternalStore(subscribe, read, read);
  const isWhole = useSyncExternalStore(subscribe, readWhole, readWhole);
  if (suspense && !isWhole) throw collection.firstSync;
  return { data: select(all, query), status: isWhole ? "ready" : "loading" };
}

/** Show one entity, and change it. */
export function useEntity<T extends object>(
  collection: Collection<T>,
  id: string,
): readonly [Entity<T> | undefined, (members: Partial<T>) => Written<Entity<T>>] {
  const subscribe = useSubscription(collection);
  const read = useCallback(() => collection.get(id), [collection, id]);
  const update = useCallback((members: Partial<T>) => collection.update(id, members), [collection, id]);
  return [useSyncExternalStore(subscribe, read, read), update];
}

/** Show where syncing stands, of this app or of the one of `SyncProvider`. */
export function useSyncStatus(sync?: Syncing): SyncStatus {
  const provided = useContext(Context);
  const found = sync ?? provided;
  if (!found) throw new Error("useSyncStatus: give it a synced app, or wrap the component in a SyncProvider");
  const subscribe = useCallback((changed: () => void) => found.on("status", changed), [found]);
  const read = useCallback(() => found.status, [found]);
  return useSyncExternalStore(subscribe, read, read);
}

function useSubscription<T extends object>(collection: Collection<T>): (changed: () => void) => () => void {
  return useCallback(
    (changed) => {
      let isMounted = true;
      void collection.firstSync.then(() => isMounted && changed());
      const stop = collection.subscribe(changed);
      return () => {
        isMounted = false;
        stop();
      };
    },
    [collection],
  );
}
