/** What a place to keep things has to do. Any key-value store with atomic writes of several keys will do. */
export interface Storage {
  /** Open the store of this name, empty if there is none. Each user of the app has one. */
  open(name: string): Promise<Store>;
}

/** A key and what is kept under it, a JSON value; `undefined`: nothing. */
export type Write = readonly [key: string, value: unknown];

/** One opened store. */
export interface Store {
  /** Read all that is kept. */
  load(): Promise<Iterable<Write>>;
  /** Keep all of this, or nothing of it; resolves when it is kept. `lasting`: it must outlive a power cut. */
  write(writes: readonly Write[], lasting: boolean): Promise<void>;
  /** Delete all that is kept. */
  clear(): Promise<void>;
  close(): void | Promise<void>;
  /** The name by which other tabs know the same store; absent where nobody else can have it open. */
  readonly shared?: string;
  /** Where tabs have no Web Locks: become or stay the owner for so long; resolves to whether this tab is it. */
  lease?(owner: string, ms: number): Promise<boolean>;
}
