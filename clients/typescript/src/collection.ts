/** Collections: the entities of a type, read at once from memory, and written at once to the device. */

import { SyncError } from "./errors.js";
import { applied, entityKey, type Change, type Data } from "./model.js";
import { bytesOf, randomId } from "./pusher.js";
import type { Item } from "./replica.js";
import { MAX_ID_BYTES, MAX_PUSH_BYTES, MAX_PUSH_CHANGES } from "./wire.js";

/** The part of https://standardschema.dev that is used: Zod, Valibot, ArkType and others have it. */
export interface StandardSchema<T> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<T> | Promise<SchemaResult<T>>;
    readonly types?: { readonly input: unknown; readonly output: T } | undefined;
  };
}

type SchemaResult<T> =
  | { readonly value: T; readonly issues?: undefined }
  | { readonly issues: readonly { readonly message: string }[] };

/** A type of entities: what its members are, and the schema that they are held to before they are written. */
export interface EntityType<T extends object> {
  readonly schema: StandardSchema<T> | undefined;
}

/** Declare a type of entities. */
export function entity<T extends object>(schema?: StandardSchema<T>): EntityType<T> {
  return { schema };
}

/** An entity: its members, and its id, which is not one of them. */
export type Entity<T> = Readonly<T> & { readonly id: string };

/** Resolves when it is kept on this device; `synced` when the server has it. */
export interface Written<T> extends Promise<T> {
  readonly synced: Promise<void>;
}

/** Which entities, and in which order. */
export interface Query<T> {
  readonly where?: (entity: Entity<T>) => boolean;
  /** A member, or a comparison. Without it they come in no particular order. */
  readonly orderBy?: keyof Entity<T> | ((one: Entity<T>, other: Entity<T>) => number);
  readonly descending?: boolean;
  readonly limit?: number;
}

/** What may be changed of entities of a type, in a batch as outside of one. */
export interface Draftable<T extends object> {
  /** Create an entity; `id` is made at random unless it is given. One that is there already is replaced. */
  create(data: T & { readonly id?: string }): unknown;
  /** Change members of an entity, others stay; a member that is `undefined` is removed. Raises NOT_FOUND. */
  update(id: string, members: Partial<T>): unknown;
  /** Delete an entity. Raises NOT_FOUND. */
  delete(id: string): unknown;
}

/** Where collections read and write. */
export interface Source {
  readonly firstSync: Promise<void>;
  isWhole(): boolean;
  items(type: string): ReadonlyMap<string, Item>;
  write<T>(make: (draft: Draft) => T): Written<T>;
  onChange(type: string, listener: () => void): () => void;
}

/** The entities of one type. */
export class Collection<T extends object> implements Draftable<T> {
  #all: readonly Entity<T>[] | undefined;

  /** @internal */
  constructor(
    readonly type: string,
    private readonly source: Source,
  ) {
    source.onChange(type, () => (this.#all = undefined));
  }

  /** Resolves when everything has been read once. */
  get firstSync(): Promise<void> {
    return this.source.firstSync;
  }

  /** Whether everything has been read once. */
  get isWhole(): boolean {
    return this.source.isWhole();
  }

  get(id: string): Entity<T> | undefined {
    return this.source.items(this.type).get(id) as Entity<T> | undefined;
  }

  /** Return entities as they are now, with all that waits for the server. Without a query: the same list until one changes. */
  list(query: Query<T> = {}): readonly Entity<T>[] {
    this.#all ??= Object.freeze([...this.source.items(this.type).values()]) as readonly Entity<T>[];
    return select(this.#all, query);
  }

  /** Call with the list now, and whenever an entity changes; returns what ends it. */
  subscribe(listener: (entities: readonly Entity<T>[]) => void, query?: Query<T>): () => void {
    const tell = (): void => listener(this.list(query));
    const stop = this.source.onChange(this.type, tell);
    tell();
    return stop;
  }

  create(data: T & { readonly id?: string }): Written<Entity<T>> & { readonly id: string } {
    const id = data.id ?? randomId();
    const written = this.source.write((draft) => draft.create(this.type, { ...data, id }) as Entity<T>);
    return Object.assign(written, { id });
  }

  update(id: string, members: Partial<T>): Written<Entity<T>> {
    return this.source.write((draft) => draft.update(this.type, id, members as Data) as Entity<T>);
  }

  delete(id: string): Written<void> {
    return this.source.write((draft) => draft.delete(this.type, id));
  }
}

/** Choose from a list as a query says. */
export function select<T>(all: readonly Entity<T>[], query: Query<T>): readonly Entity<T>[] {
  const { where, orderBy, descending, limit } = query;
  let list = where ? all.filter(where) : all;
  if (orderBy) {
    const compare = typeof orderBy === "function" ? orderBy : by<T>(orderBy);
    const sign = descending ? -1 : 1;
    list = [...list].sort((one, other) => sign * (compare(one, other) || (one.id < other.id ? -1 : 1)));
  }
  return limit === undefined ? list : list.slice(0, limit);
}

function by<T>(member: keyof Entity<T>): (one: Entity<T>, other: Entity<T>) => number {
  return (one, other) => {
    const [a, b] = [one[member], other[member]];
    if (a === b) return 0;
    if (a === undefined || a === null) return -1;
    return b === undefined || b === null || a > b ? 1 : -1;
  };
}

/** Changes that are made at once. */
export class Draft {
  readonly changes: Change[] = [];
  readonly #made = new Map<string, Data | null>();

  constructor(
    private readonly items: (type: string) => ReadonlyMap<string, Item>,
    private readonly at: string,
  ) {}

  create(type: string, { id, ...data }: Data): Item {
    if (typeof id !== "string" || !isId(id)) {
      throw new SyncError("INVALID", `An id is 1 to ${MAX_ID_BYTES} bytes without control characters.`, { type, id });
    }
    return this.#add({ type, id, action: "create", data: json(data), at: this.at });
  }

  update(type: string, id: string, members: Data): Item {
    const current = this.#find(type, id);
    const { id: _, ...others } = members;
    const isRemoval = Object.values(others).includes(undefined);
    const data = json(isRemoval ? { ...current, ...others } : others);
    return this.#add({ type, id, action: isRemoval ? "create" : "update", data, at: this.at });
  }

  delete(type: string, id: string): void {
    this.#find(type, id);
    this.#add({ type, id, action: "delete", at: this.at });
  }

  /** What an entity is with these changes; `null`: deleted. */
  view(type: string, id: string): Data | null {
    const made = this.#made.get(entityKey(type, id));
    if (made !== undefined) return made;
    const { id: _, ...data } = this.items(type).get(id) ?? { id: "" };
    return this.items(type).has(id) ? data : null;
  }

  /** Put other data into a change. */
  replace(index: number, data: object): void {
    this.changes[index] = { ...this.changes[index]!, data: json(data as Data) };
  }

  /** Refuse what no push could carry. */
  check(): void {
    if (this.changes.length > MAX_PUSH_CHANGES || bytesOf(this.changes) > MAX_PUSH_BYTES) {
      const limits = { max_changes: MAX_PUSH_CHANGES, max_bytes: MAX_PUSH_BYTES };
      throw new SyncError("TOO_LARGE", "These changes are more than a push can carry.", limits);
    }
  }

  #find(type: string, id: string): Data {
    const found = this.view(type, id);
    if (!found) throw new SyncError("NOT_FOUND", `There is no ${type} ${id}.`, { type, id });
    return found;
  }

  #add(change: Change): Item {
    const data = applied(this.view(change.type, change.id), change);
    this.#made.set(entityKey(change.type, change.id), data);
    this.changes.push(change);
    return { ...data, id: change.id };
  }
}

function isId(text: string): boolean {
  // eslint-disable-next-line no-control-regex
  return text.length > 0 && new TextEncoder().encode(text).length <= MAX_ID_BYTES && !/[\x00-\x1f\x7f-\x9f]/.test(text);
}

const MOST_LEVELS = 190;

/** Return what JSON makes of data: what every device will get. */
function json(data: Data): Data {
  try {
    if (levels(data) > MOST_LEVELS) throw new Error(`more than ${MOST_LEVELS} levels`);
    // Half a surrogate pair is no text, and the server refuses it.
    const text = JSON.stringify(data).replace(/\\(?:u(d[89a-f][0-9a-f]{2})|.)/g, (all, half) => (half ? "\\ufffd" : all));
    return JSON.parse(text);
  } catch (error) {
    throw new SyncError("INVALID", `The data cannot be written as JSON: ${String(error)}`);
  }
}

function levels(value: unknown): number {
  if (typeof value !== "object" || !value) return 0;
  return 1 + Object.values(value).reduce<number>((most, member) => Math.max(most, levels(member)), 0);
}
