/** What an app says and is told: the types of the public surface. */

import type { Collection, Draftable, EntityType } from "./collection.js";
import type { Conflict, Resolution } from "./conflict.js";
import type { Pace, Phase } from "./engine.js";
import type { SyncError } from "./errors.js";
import type { Change, Data } from "./model.js";
import type { Storage } from "./storage/storage.js";
import type { TokenSource } from "./tokens.js";

/** Types of entities by their names. */
// The members of an entity are known to whoever declares the type, so nothing narrower fits all of them.
export type Types = Readonly<Record<string, EntityType<any>>>;

/** The members of the entities of a type. */
export type MembersOf<E> = E extends EntityType<infer T> ? T : never;

/** A conflict of an entity of one of these types. */
export type ConflictOf<T extends Types> = { [K in keyof T & string]: Conflict<K, MembersOf<T[K]>> }[keyof T & string];

/** How an app is synced. */
export interface SyncOptions<T extends Types> {
  /** Where the server is, such as `https://sync.example.org`. */
  readonly url: string;
  /** The project's client key. */
  readonly key: string;
  /** Returns a session token; asked at the start, before one ends, and when the server refuses one. */
  readonly token: TokenSource;
  /** The types of entities that this app knows. */
  readonly types: T;
  /** Where to keep everything: in browsers by default in IndexedDB, elsewhere in memory. */
  readonly storage?: Storage;
  /** Decides what becomes of an entity that somebody else has changed, too; by default `mergeMembers`. */
  readonly conflict?: (conflict: ConflictOf<T>) => Resolution | Promise<Resolution>;
  /** The user, where the app knows it before it has a token; else it is the last one, or the first token's. */
  readonly user?: string;
  /** The version of the app's data: a store that a newer version has written is not opened. */
  readonly version?: number;
  /** Calls the server in place of the global `fetch`. */
  readonly fetch?: typeof fetch;
  /** How soon and how often to try. */
  readonly pace?: Partial<Pace>;
}

/** Where syncing stands. */
export interface SyncStatus {
  readonly phase: Phase;
  /** How many changes wait for the server. */
  readonly pending: number;
  /** While catching up: how many changes came so far. */
  readonly progress: { readonly received: number } | undefined;
  /** When this device last was in step with the server, in milliseconds since 1970. */
  readonly lastSyncedAt: number | undefined;
  /** What keeps it from syncing, or from keeping things on this device. */
  readonly error: SyncError | undefined;
  /** Whether this tab is the one that syncs. */
  readonly leader: boolean;
}

/** Changes that wait for the server; the key names them. */
export interface Outgoing {
  readonly key: string;
  readonly changes: readonly Pick<Change, "type" | "id" | "action" | "data">[];
}

/** Changes that the server refused: they are kept until `dismiss` is called with them. */
export interface Rejected extends Outgoing {
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** What happens, by the name to listen to. */
export interface SyncEvents {
  readonly status: SyncStatus;
  /** An entity was changed here and elsewhere, and became `result`. */
  readonly conflict: Conflict & { readonly result: Data | null };
  /** The server refused changes. They are no longer shown, and the rest goes on. */
  readonly rejected: Rejected;
  /** The server started this device over: everything is read again. What waits stays. */
  readonly reset: undefined;
  /** There is no token that the server takes. What waits stays; `resume` goes on. */
  readonly signedOut: SyncError;
}

/** What is written in a batch, by type. */
export type Transaction<T extends Types> = { readonly [K in keyof T]: Draftable<MembersOf<T[K]>> };

/** The collections of these types by their names. */
export type Collections<T extends Types> = { readonly [K in keyof T]: Collection<MembersOf<T[K]>> };
