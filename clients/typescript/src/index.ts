/** `@syncline/client`: apps that work offline, synced by Syncline. */

export { createSync, type Sync, type SyncClient } from "./sync.js";
export { entity, Collection } from "./collection.js";
export type { Draftable, Entity, EntityType, Query, StandardSchema, Written } from "./collection.js";
export { keep, mergeMembers, type Conflict, type Kept, type Resolution } from "./conflict.js";
export type { Pace, Phase } from "./engine.js";
export { SyncError, type SyncErrorCode } from "./errors.js";
export type {
  Collections,
  ConflictOf,
  MembersOf,
  Outgoing,
  Rejected,
  SyncEvents,
  SyncOptions,
  SyncStatus,
  Transaction,
  Types,
} from "./options.js";
export { indexedDb } from "./storage/indexeddb.js";
export { memory } from "./storage/memory.js";
export type { Storage, Store, Write } from "./storage/storage.js";
export type { TokenSource } from "./tokens.js";
