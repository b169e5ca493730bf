/** Writing: what an app changes is checked, shown at once, kept, and followed until the server has it. */

import { Draft, type StandardSchema, type Written } from "./collection.js";
import { SyncError } from "./errors.js";
import type { Change } from "./model.js";
import type { Replica } from "./replica.js";

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: SyncError) => void;
}

export class Writer {
  /** Resolves when there is a store to write to; is rejected when there will be none. */
  ready!: Promise<void>;
  #isOpen = false;
  #open!: () => void;
  readonly #unsynced = new Map<string, Waiter>();

  constructor(
    private readonly replica: Replica,
    private readonly schemaOf: (type: string) => StandardSchema<object> | undefined,
    private readonly now: () => number,
  ) {
    this.close();
  }

  /** There is a store to write to. */
  open(): void {
    this.#isOpen = true;
    this.#open();
  }

  /** There is no store: what is written waits for one, or fails. */
  close(error?: SyncError): void {
    this.#isOpen = false;
    this.ready = error ? Promise.reject(error) : new Promise((resolve) => (this.#open = resolve));
    this.ready.catch(() => undefined); // who writes is told
  }

  /** Write what `make` does to a draft, all of it or nothing. */
  write<R>(make: (draft: Draft) => R): Written<R> {
    let waiter!: Waiter;
    const synced = new Promise<void>((resolve, reject) => (waiter = { resolve, reject }));
    synced.catch(() => undefined); // an app need not look
    // Without a pause where none is needed, so that what was written is there in the next line.
    const written = this.#isOpen ? this.#begin(make, waiter) : this.ready.then(() => this.#begin(make, waiter));
    written.catch(waiter.reject);
    return Object.assign(written, { synced });
  }

  /** The server has these entries. */
  settled(keys: readonly string[]): void {
    for (const key of keys) this.#take(key)?.resolve();
  }

  /** The server has refused this entry. */
  refused(key: string, error: SyncError): void {
    this.#take(key)?.reject(error);
  }

  async #begin<R>(make: (draft: Draft) => R, waiter: Waiter): Promise<R> {
    const at = new Date(Math.min(Math.max(this.now(), 0), 253402300799999)).toISOString();
    const draft = new Draft((type) => this.replica.items(type), at);
    const made = make(draft);
    if (made instanceof Promise) throw new SyncError("INVALID", "A batch is made at once: its function must not wait.");
    const checks = draft.changes.map((change, index) => this.#checked(draft, change, index));
    if (checks.some((check) => check instanceof Promise)) await Promise.all(checks);
    draft.check();
    if (!draft.changes.length) return waiter.resolve(), made;
    const { key, kept } = this.replica.enqueue(draft.changes);
    this.#unsynced.set(key, waiter);
    await kept;
    return made;
  }

  /** Hold what a change makes of its entity to the schema of its type. */
  #checked(draft: Draft, change: Change, index: number): void | Promise<void> {
    const schema = this.schemaOf(change.type);
    if (!schema || change.action === "delete") return undefined;
    const take = (result: Awaited<ReturnType<StandardSchema<object>["~standard"]["validate"]>>): void => {
      if (result.issues) {
        const message = result.issues.map((issue) => issue.message).join("; ");
        throw new SyncError("INVALID", `${change.type} ${change.id}: ${message}`, { issues: result.issues });
      }
      if (change.action === "create") draft.replace(index, result.value);
    };
    const result = schema["~standard"].validate(draft.view(change.type, change.id));
    return result instanceof Promise ? result.then(take) : take(result);
  }

  #take(key: string): Waiter | undefined {
    const waiter = this.#unsynced.get(key);
    this.#unsynced.delete(key);
    return waiter;
  }
}
