/** What this device knows: the server's versions, the changes that wait laid over them, and their way to storage. */

import { SyncError } from "./errors.js";
import {
  applied,
  entityKey,
  FORMAT,
  type Change,
  type Data,
  type Entry,
  type Flight,
  type Meta,
  type Parked,
  type Version,
} from "./model.js";
import type { Store, Write } from "./storage/storage.js";

const META = "m";
const FLIGHT = "p";
const VERSION = "v/";
const ENTRY = "q/";
const PARKED = "x/";

/** An entity as the app sees it: its members, and its id. */
export type Item = Data & { readonly id: string };

interface Waiting {
  readonly key: string;
  readonly change: Change;
}

const NEW: Meta = {
  format: FORMAT,
  version: 0,
  device: "",
  types: [],
  token: "",
  reading: 0,
  whole: false,
  sweeping: false,
  syncedAt: 0,
  clockMs: 0,
};

export class Replica {
  meta = NEW;
  flight: Flight | undefined;
  readonly entries = new Map<string, Entry>();
  readonly parked = new Map<string, Parked>();
  /** How many changes wait. */
  pending = 0;
  /** Keeps things until storage fails; from then on only what waits is written, and nothing that is read. */
  storageError: SyncError | undefined;
  /** Called with the types of entities that look different now, and with what was written once it is kept. */
  onChange: (types: ReadonlySet<string>) => void = () => undefined;
  onKept: (writes: readonly Write[]) => void = () => undefined;

  readonly #versions = new Map<string, Version>();
  readonly #waiting = new Map<string, Waiting[]>();
  readonly #items = new Map<string, Map<string, Item>>();
  #store: Store | undefined;
  #unwritten = new Map<string, unknown>();
  #written: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #lastKey = 0;
  /** What is taken while the store is being read. */
  #meanwhile: Write[] | undefined;

  /** Take what a store keeps in place of all that was known. */
  async open(store: Store): Promise<void> {
    this.#store = store;
    await this.reload();
  }

  /** Read the store again: another tab may have written it. */
  async reload(): Promise<void> {
    await this.#settled();
    this.#meanwhile = [];
    const loaded = await this.#store!.load();
    const kept = [...loaded, ...this.#meanwhile];
    this.#meanwhile = undefined;
    this.#replace(kept);
  }

  /** Forget everything, here and in the store. */
  async clear(): Promise<void> {
    await this.#settled();
    await this.#store?.clear();
    await this.close();
    this.#replace([]);
  }

  async close(): Promise<void> {
    await this.#settled();
    await this.#store?.close();
    this.#store = undefined;
  }

  /** The entities of a type by their ids, as they are with all that waits. */
  items(type: string): ReadonlyMap<string, Item> {
    return this.#items.get(type) ?? new Map<string, Item>();
  }

  version(key: string): Version | undefined {
    return this.#versions.get(key);
  }

  versions(): Iterable<Version> {
    return this.#versions.values();
  }

  /** The changes of an entity that wait, oldest first. */
  waiting(key: string): readonly Waiting[] {
    return this.#waiting.get(key) ?? [];
  }

  /** Make changes wait for the server as one entry; resolves to its key, at once in memory, when it is kept. */
  enqueue(changes: readonly Change[]): { key: string; kept: Promise<void> } {
    const made = new Set<string>();
    const based = changes.map((change): Change => {
      const key = entityKey(change.type, change.id);
      const isFirst = !made.has(key) && !this.#waiting.get(key)?.length;
      made.add(key);
      if (!isFirst) return change;
      const version = this.#versions.get(key);
      return { ...change, base: version?.revision ?? 0, before: version?.data ?? null };
    });
    this.#lastKey = Math.max(this.#lastKey + 1, Date.now());
    const key = this.#lastKey.toString(36).padStart(10, "0") + Math.random().toString(36).slice(2, 6);
    return { key, kept: this.commit([entryWrite(key, based)]) };
  }

  /** Make all of this so, at once in memory; resolves when it is kept. */
  commit(writes: readonly Write[]): Promise<void> {
    this.take(writes);
    for (const [key, value] of writes) this.#unwritten.set(key, value);
    // What comes while something is being written goes with the next write.
    this.#next ??= this.#written.then(() => (this.#written = this.#write()));
    return this.#next;
  }

  /** Take what was written, here or in another tab. */
  take(writes: readonly Write[], types = new Set<string>()): void {
    this.#meanwhile?.push(...writes);
    const touched = new Map<string, { readonly type: string; readonly id: string }>();
    const touch = (of: { readonly type: string; readonly id: string }): unknown =>
      touched.set(entityKey(of.type, of.id), of);
    for (const [key, value] of writes) {
      if (key === META) this.meta = value as Meta;
      else if (key === FLIGHT) this.flight = value as Flight | undefined;
      else if (key.startsWith(VERSION)) {
        const name = key.slice(VERSION.length);
        const version = (value ?? this.#versions.get(name)) as Version | undefined;
        if (version) touch(version);
        if (value) this.#versions.set(name, value as Version);
        else this.#versions.delete(name);
      } else if (key.startsWith(ENTRY)) this.#takeEntry(key.slice(ENTRY.length), value as Entry | undefined, touch);
      else if (key.startsWith(PARKED)) {
        if (value) this.parked.set(key, value as Parked);
        else this.parked.delete(key);
      }
    }
    for (const [key, of] of touched) {
      types.add(of.type);
      this.#look(key, of.type, of.id);
    }
    this.onChange(types);
  }

  #replace(kept: readonly Write[]): void {
    const types = new Set(this.#items.keys());
    this.meta = NEW;
    this.flight = undefined;
    this.pending = 0;
    for (const map of [this.entries, this.parked, this.#versions, this.#waiting, this.#items]) map.clear();
    this.take(kept, types);
  }

  #takeEntry(key: string, entry: Entry | undefined, touch: (of: Change) => unknown): void {
    for (const change of this.entries.get(key)?.changes ?? []) {
      touch(change);
      const name = entityKey(change.type, change.id);
      const others = this.waiting(name).filter((waiting) => waiting.key !== key);
      if (others.length) this.#waiting.set(name, others);
      else this.#waiting.delete(name);
      this.pending--;
    }
    this.entries.delete(key);
    if (!entry) return;
    this.entries.set(key, entry);
    this.#lastKey = Math.max(this.#lastKey, parseInt(key.slice(0, 10), 36));
    for (const change of entry.changes) {
      touch(change);
      const name = entityKey(change.type, change.id);
      const list = this.#waiting.get(name) ?? [];
      // Other tabs write, too: in the order of keys, and stable within an entry.
      const place = list.findIndex((waiting) => waiting.key > key);
      list.splice(place < 0 ? list.length : place, 0, { key, change });
      this.#waiting.set(name, list);
      this.pending++;
    }
  }

  /** Lay what waits over the server's version. */
  #look(key: string, type: string, id: string): void {
    let data = this.#versions.get(key)?.data ?? null;
    for (const { change } of this.waiting(key)) data = applied(data, change);
    const items = this.#items.get(type) ?? new Map<string, Item>();
    this.#items.set(type, items);
    if (data) items.set(id, Object.freeze({ ...data, id }));
    else items.delete(id);
  }

  /** Wait until nothing is left to write. */
  async #settled(): Promise<void> {
    while (this.#next) await this.#next;
    await this.#written;
  }

  async #write(): Promise<void> {
    const all = [...this.#unwritten];
    this.#unwritten = new Map();
    this.#next = undefined;
    const isOurs = ([key]: Write): boolean => key.startsWith(ENTRY) || key.startsWith(PARKED) || key === FLIGHT;
    // A position must never be kept without what was read up to it, so after a failure none is kept any more.
    const writes = this.storageError ? all.filter(isOurs) : all;
    try {
      await this.#store?.write(writes, writes.some(isOurs));
    } catch (error) {
      this.storageError ??= new SyncError("STORAGE", `The device does not keep what is written: ${String(error)}`);
    }
    this.onKept(all);
  }
}

export const metaWrite = (meta: Meta): Write => [META, meta];
export const flightWrite = (flight: Flight | undefined): Write => [FLIGHT, flight];
export const versionWrite = (key: string, version: Version | undefined): Write => [VERSION + key, version];
export const parkedWrite = (parked: Parked): Write => [PARKED + parked.key, parked];
export const unparkedWrite = (key: string): Write => [PARKED + key, undefined];

/** An entry with these changes; without any: no entry. */
export function entryWrite(key: string, changes: readonly Change[]): Write {
  return [ENTRY + key, changes.length ? { key, changes } : undefined];
}
