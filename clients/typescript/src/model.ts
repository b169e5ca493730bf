/** What is kept: versions the server has, changes that wait for it, and where reading and writing stand. */

/** The content of an entity: a JSON object. */
export type Data = Record<string, unknown>;

/** The last version of an entity that was read from the server. */
export interface Version {
  readonly type: string;
  readonly id: string;
  /** The server's name for this version; 0: it has none. */
  readonly revision: number;
  /** `null`: deleted, and kept while a change of the entity waits. */
  readonly data: Data | null;
  /** Which reading of the whole it belongs to: a reset begins another. */
  readonly reading: number;
  /** The revision that our own last push of it was made to. */
  readonly previous?: number | undefined;
}

/** One change that waits for the server. */
export interface Change {
  readonly type: string;
  readonly id: string;
  readonly action: "create" | "update" | "delete";
  readonly data?: Data;
  /** When it was made, by the server's clock as far as it is known. */
  readonly at: string;
  /** The revision that it was made to (0: none); absent: made on top of the change before it. */
  readonly base?: number;
  /** What the entity was then. */
  readonly before?: Data | null;
}

/** Changes that were made at once: they are pushed together. */
export interface Entry {
  readonly key: string;
  readonly changes: readonly Change[];
}

/** A push that may have reached the server: until its answer is there, it is sent again as it is. */
export interface Flight {
  readonly pushId: string;
  readonly token: string;
  readonly keys: readonly string[];
  /** The revision that each change was made to. */
  readonly bases: readonly number[];
}

/** A change that the server refused, kept until the app has seen to it. */
export interface Parked {
  readonly key: string;
  readonly changes: readonly Change[];
  readonly message: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Where this store stands. */
export interface Meta {
  /** Of this package's own form of a store. */
  readonly format: number;
  /** Of the app's data, as `createSync` was told. */
  readonly version: number;
  readonly device: string;
  readonly types: readonly string[];
  /** Everything up to here has been read; empty: nothing. */
  readonly token: string;
  readonly reading: number;
  /** Everything has been read at least once. */
  readonly whole: boolean;
  /** A reading from the start is under way: what it does not meet is gone at its end. */
  readonly sweeping: boolean;
  readonly syncedAt: number;
  /** What the server's clock is ahead of this one. */
  readonly clockMs: number;
}

export const FORMAT = 1;

/** What identifies an entity among those of all types; a type has no slash. */
export const entityKey = (type: string, id: string): string => `${type}/${id}`;

/** What a change makes of an entity. */
export function applied(data: Data | null, change: Change): Data | null {
  if (change.action === "delete") return null;
  return change.action === "create" ? change.data! : { ...(data ?? change.before), ...change.data };
}

/** Tell whether two JSON values are the same, whatever the order of their members. */
export function same(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== "object" || typeof other !== "object" || !one || !other) return false;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const members = Object.keys(one);
  return (
    members.length === Object.keys(other).length &&
    members.every((name) => Object.hasOwn(other, name) && same((one as Data)[name], (other as Data)[name]))
  );
}
