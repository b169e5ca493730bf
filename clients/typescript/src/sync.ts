/** A synced app: opens the store of whoever is signed in, lets one tab sync, and tells what happens. */

import { ServerClock } from "./clock.js";
import { Collection, type Draftable, type Written } from "./collection.js";
import { mergeMembers, resolved } from "./conflict.js";
import { Emitter } from "./emitter.js";
import { Engine, type Pace } from "./engine.js";
import { SyncError } from "./errors.js";
import { FORMAT, type Data } from "./model.js";
import type {
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
import { randomId } from "./pusher.js";
import { Replica, unparkedWrite } from "./replica.js";
import { indexedDb } from "./storage/indexeddb.js";
import { memory } from "./storage/memory.js";
import type { Storage, Store, Write } from "./storage/storage.js";
import { Tabs, type Message } from "./tabs.js";
import { Tokens, userOf } from "./tokens.js";
import { Backoff, Bell } from "./waiting.js";
import { ENTITY_TYPE, MAX_ENTITY_TYPES } from "./wire.js";
import { Writer } from "./writer.js";

/** Under which name the store of all users keeps the last one. */
const LAST_USER = "user";
const PACE = { firstRetryMs: 1_000, mostRetryMs: 30_000, pollMs: 15_000, hiddenMs: 60_000 };

/** A synced app. Its collections are members, too, but for those whose name another member has. */
export type Sync<T extends Types> = SyncClient<T> & Omit<Collections<T>, keyof SyncClient<T>>;

/** Begin to sync. */
export function createSync<const T extends Types>(options: SyncOptions<T>): Sync<T> {
  const sync = new SyncClient(options);
  for (const type of Object.keys(options.types)) {
    if (!(type in sync)) Object.defineProperty(sync, type, { value: sync.collection(type), enumerable: true });
  }
  return sync as Sync<T>;
}

/** What tabs of a store tell each other beyond what they keep. */
interface Told extends Omit<SyncEvents, "status"> {
  readonly settled: readonly string[];
  readonly refused: { readonly key: string; readonly error: SyncError };
}

interface Session {
  readonly stop: AbortController;
  readonly tabs: Tabs;
  over: Promise<void>;
}

/** A synced app; see `createSync`. */
export class SyncClient<T extends Types> {
  /** Resolves when everything has been read once. */
  readonly firstSync: Promise<void>;

  readonly #options: SyncOptions<T>;
  readonly #types: readonly string[];
  readonly #collections = new Map<string, Collection<object>>();
  readonly #storage: Storage;
  readonly #replica = new Replica();
  readonly #clock = new ServerClock();
  readonly #tokens: Tokens;
  readonly #pace: Pace;
  readonly #engine: Engine;
  readonly #writer: Writer;
  readonly #events = new Emitter<SyncEvents>();
  readonly #changes = new Emitter<Record<string, void>>();
  readonly #settling = new Bell();
  readonly #starting = new Bell();
  readonly #ended = new AbortController();
  #status: SyncStatus = {
    phase: "connecting",
    pending: 0,
    progress: undefined,
    lastSyncedAt: undefined,
    error: undefined,
    leader: false,
  };
  #isWhole!: () => void;
  #user: string | undefined;
  #session: Session | undefined;
  #isPaused = false;
  #isStarting = false;
  #hiddenSince: number | undefined;

  /** @internal */
  constructor(options: SyncOptions<T>) {
    this.#options = options;
    this.#types = Object.keys(options.types).sort();
    const bad = this.#types.find((type) => !ENTITY_TYPE.test(type));
    if (bad !== undefined || !this.#types.length || this.#types.length > MAX_ENTITY_TYPES) {
      const form = "a letter or _, then letters, digits, _ . -; at most 64 characters";
      throw new SyncError("INVALID", `types: 1 to ${MAX_ENTITY_TYPES}, each ${form}.`, { type: bad });
    }
    this.firstSync = new Promise((resolve) => (this.#isWhole = resolve));
    this.#storage = options.storage ?? (typeof indexedDB === "undefined" ? memory() : indexedDb("syncline"));
    const clock = this.#clock;
    this.#tokens = new Tokens(options.token, clock);
    const connection = {
      url: options.url.replace(/\/+$/, ""),
      key: options.key,
      fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
      tokens: this.#tokens,
      clock,
      check: (token: string) => this.#checkUser(userOf(token)),
      device: () => this.#replica.meta.device,
    };
    this.#writer = new Writer(
      this.#replica,
      (type) => options.types[type]?.schema,
      () => clock.now(),
    );
    this.#pace = { ...PACE, ...options.pace };
    this.#engine = new Engine(connection, this.#replica, this.#types, options.version ?? 0, this.#pace, {
      status: (change) => this.#set(change),
      reset: () => this.#tell("reset", undefined),
      signedOut: (error) => this.#tell("signedOut", error),
      resolve: async (conflict) =>
        resolved(conflict, await (options.conflict ?? mergeMembers)(conflict as ConflictOf<T>)),
      resolved: (conflict, result) => this.#tell("conflict", { ...conflict, result }),
      settled: (keys) => this.#tell("settled", keys),
      refused: (entry, error) => {
        this.#tell("refused", { key: entry.key, error });
        this.#tell("rejected", { ...entry, message: error.message, details: error.details });
      },
    });
    this.#replica.onChange = (types) => {
      for (const type of types) this.#changes.emit(type, undefined);
      this.#changed();
    };
    this.#replica.onKept = (writes) => {
      this.#session?.tabs.tell("kept", writes);
      if (this.#replica.storageError) this.#set({});
    };
    this.#watchPage();
    void this.#start();
  }

  /** Where syncing stands now: the same object until something changes. */
  get status(): SyncStatus {
    return this.#status;
  }

  /** The user whose store is open. */
  get user(): string | undefined {
    return this.#user;
  }

  /** The changes that the server refused and that were not dismissed, oldest first. */
  get rejected(): readonly Rejected[] {
    return [...this.#replica.parked.values()];
  }

  /** What waits for the server, oldest first: changes that were made at once are one entry. */
  get outbox(): readonly Outgoing[] {
    return [...this.#replica.entries.values()].sort((one, other) => (one.key < other.key ? -1 : 1));
  }

  /** Forget refused changes. */
  async dismiss(rejected: Pick<Rejected, "key">): Promise<void> {
    await this.#replica.commit([unparkedWrite(rejected.key)]);
  }

  /** The collection of a type. */
  collection<K extends keyof T & string>(type: K): Collection<MembersOf<T[K]>> {
    if (!this.#types.includes(type)) throw new SyncError("INVALID", `types: there is no ${type}.`);
    const source = {
      firstSync: this.firstSync,
      isWhole: () => this.#replica.meta.whole,
      items: (name: string) => this.#replica.items(name),
      write: this.#writer.write.bind(this.#writer),
      onChange: (name: string, listener: () => void) => this.#changes.on(name, listener),
    };
    const collection = this.#collections.get(type) ?? new Collection<object>(type, source);
    this.#collections.set(type, collection);
    return collection as unknown as Collection<MembersOf<T[K]>>;
  }

  /** Write several changes at once: all of them are kept, and pushed together, or none. */
  batch(write: (transaction: Transaction<T>) => void): Written<void> {
    return this.#writer.write((draft) => {
      const transaction: Record<string, Draftable<Data>> = {};
      for (const type of this.#types) {
        transaction[type] = {
          create: (data) => draft.create(type, { ...data, id: data.id ?? randomId() }),
          update: (id, members) => draft.update(type, id, members),
          delete: (id) => draft.delete(type, id),
        };
      }
      return write(transaction as unknown as Transaction<T>);
    });
  }

  /** Listen to what happens; returns what ends it. */
  on<N extends keyof SyncEvents>(name: N, listener: (value: SyncEvents[N]) => void): () => void {
    return this.#events.on(name, listener);
  }

  /** Send at once what waits; resolves when the server has it, or has refused it. Raises SIGNED_OUT and STOPPED. */
  async flush(): Promise<void> {
    await this.#writer.ready;
    const keys = [...this.#replica.entries.keys()];
    this.#engine.hurry();
    this.#session?.tabs.tell("hurry");
    while (keys.some((key) => this.#replica.entries.has(key))) {
      if (this.#status.phase === "stopped") {
        throw this.#status.error ?? new SyncError("STOPPED", "Syncing is paused or was stopped.");
      }
      await this.#settling.wait();
    }
  }

  /** Close the connection of this tab. What is written waits. */
  pause(): void {
    this.#halt(undefined);
  }

  /** Go on after `pause`, or after a new sign-in. */
  resume(): void {
    this.#isPaused = false;
    this.#tokens.refuse();
    this.#set({ phase: "connecting", error: undefined });
    this.#session?.tabs.bell.ring();
    this.#starting.ring();
    this.#engine.reconnect();
    if (!this.#session) void this.#start();
  }

  /** Forget this user on this device. Raises PENDING while changes wait, unless they are to be discarded. */
  async signOut({ discard = false } = {}): Promise<void> {
    const { pending } = this.#replica;
    if (pending && !discard) {
      throw new SyncError("PENDING", `${pending} changes wait for the server; signing out would lose them.`, { pending });
    }
    this.#session?.tabs.tell("signOut");
    await this.#forget();
  }

  /** End everything; what waits is kept for the next time. */
  async stop(): Promise<void> {
    this.#halt(undefined);
    await this.#leave();
    this.#writer.close(new SyncError("STOPPED", "The app has stopped syncing."));
    await this.#replica.close();
    this.#ended.abort();
  }

  // Opening and leaving a store

  /** Open the store of a user: of this one, the one that the app names, the last one here, the one of the first token. */
  async #start(user?: string): Promise<void> {
    if (this.#isStarting) return;
    this.#isStarting = true;
    this.#writer.close();
    try {
      if (this.#session) {
        await this.#leave();
        await this.#replica.close();
      }
      await this.#open(user ?? this.#options.user ?? (await this.#lastUser()) ?? (await this.#firstUser()));
    } catch (thrown) {
      const error = thrown instanceof SyncError ? thrown : new SyncError("STORAGE", String(thrown));
      this.#writer.close(error);
      this.#halt(error);
    } finally {
      this.#isStarting = false;
    }
  }

  async #open(user: string): Promise<void> {
    const store = await this.#storage.open(user).catch((error: unknown) => {
      this.#replica.storageError = new SyncError("STORAGE", `The device keeps nothing for this page: ${String(error)}`);
      return memory().open(user);
    });
    // Before the store is read, so that nothing is missed that other tabs write meanwhile.
    const tabs = new Tabs(store, (message) => this.#take(message));
    await this.#replica.open(store);
    const { format, version, clockMs } = this.#replica.meta;
    if (format > FORMAT || version > (this.#options.version ?? 0)) {
      tabs.close();
      await this.#replica.close();
      throw new SyncError("STORE_NEWER", "A newer version of this app has written what is kept here. Load the app again.");
    }
    this.#clock.known(clockMs);
    this.#user = user;
    await this.#keepLastUser(user);
    this.#join(store, tabs);
    this.#writer.open();
  }

  /** Take part in leading. */
  #join(store: Store, tabs: Tabs): void {
    const stop = new AbortController();
    const session: Session = { stop, tabs, over: Promise.resolve() };
    this.#session = session;
    tabs.tell("hello");
    session.over = tabs.run(stop.signal, () => this.#wants(), async (lost) => {
      if (store.shared) await this.#replica.reload();
      this.#set({ leader: true });
      await this.#engine.lead(lost);
      this.#set({ leader: false });
    });
  }

  /** Tell whether this tab should sync: a page that was hidden for a while lets others, or nobody, do it. */
  #wants(): boolean {
    if (this.#isPaused) return false;
    const isHidden = this.#hiddenSince !== undefined && Date.now() - this.#hiddenSince >= this.#pace.hiddenMs;
    return !isHidden || this.#replica.pending > 0;
  }

  async #leave(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    this.#writer.close();
    session?.stop.abort();
    this.#engine.hurry();
    await session?.over;
    session?.tabs.close();
  }

  async #forget(): Promise<void> {
    this.#halt(new SyncError("SIGNED_OUT", "The app has signed out."));
    await this.#leave();
    this.#writer.close(this.#status.error);
    await this.#replica.clear();
    await this.#keepLastUser(undefined);
    this.#user = undefined;
    this.#events.emit("signedOut", this.#status.error!);
  }

  /** Go over to another user's store when a token is theirs; raises SyncError. */
  #checkUser(user: string): void {
    if (user === this.#user) return;
    if (!this.#isStarting) void this.#start(user);
    throw new SyncError("STOPPED", "Another user has signed in.");
  }

  async #lastUser(): Promise<string | undefined> {
    const store = await this.#storage.open("").catch(() => undefined);
    const kept = new Map((await store?.load()) ?? []);
    await store?.close();
    return kept.get(LAST_USER) as string | undefined;
  }

  async #keepLastUser(user: string | undefined): Promise<void> {
    const store = await this.#storage.open("").catch(() => undefined);
    await store?.write([[LAST_USER, user]], true).catch(() => undefined);
    await store?.close();
  }

  /** Ask the app for a token until there is one, and return whose it is. */
  async #firstUser(): Promise<string> {
    const backoff = new Backoff(this.#pace.firstRetryMs, this.#pace.mostRetryMs);
    for (;;) {
      try {
        return userOf(await this.#tokens.get());
      } catch (error) {
        if (!(error instanceof SyncError) || error.code !== "OFFLINE") throw error;
        this.#set({ phase: "offline", error });
        await this.#starting.wait(backoff.next());
      }
    }
  }

  // Telling the app and the other tabs

  #halt(error: SyncError | undefined): void {
    this.#isPaused = true;
    this.#set({ phase: "stopped", progress: undefined, error });
    this.#session?.tabs.bell.ring();
    this.#settling.ring();
    if (error?.code === "SIGNED_OUT" && !this.#session) this.#events.emit("signedOut", error);
  }

  #set(change: Partial<SyncStatus>): void {
    const { meta, pending, storageError } = this.#replica;
    const isStopped = this.#isPaused && change.phase !== "stopped";
    const status: SyncStatus = {
      ...this.#status,
      ...(isStopped ? {} : change),
      leader: change.leader ?? this.#status.leader,
      pending,
      lastSyncedAt: meta.syncedAt || undefined,
    };
    if (!status.error && storageError) Object.assign(status, { error: storageError });
    const names = Object.keys(status) as (keyof SyncStatus)[];
    if (names.every((name) => status[name] === this.#status[name])) return;
    this.#status = Object.freeze(status);
    this.#tellStatus();
    this.#events.emit("status", status);
  }

  #tellStatus(): void {
    const { leader, phase, progress, error } = this.#status;
    if (leader) this.#session?.tabs.tell("status", { phase, progress, error: error && plain(error) });
  }

  #changed(): void {
    if (this.#replica.meta.whole) this.#isWhole();
    this.#set({});
    this.#engine.work.ring();
    this.#settling.ring();
    if (this.#hiddenSince !== undefined) this.#session?.tabs.bell.ring();
  }

  #tell<N extends keyof Told>(kind: N, value: Told[N]): void {
    // Errors lose their members on the way to another tab.
    const payload = value instanceof SyncError ? plain(value) : kind === "refused" ? plainRefused(value as never) : value;
    this.#session?.tabs.tell(kind, payload);
    this.#hear(kind, value);
  }

  #take({ kind, payload }: Message): void {
    if (kind === "kept") this.#replica.take(payload as readonly Write[]);
    else if (kind === "hurry") this.#engine.hurry();
    else if (kind === "signOut") void this.#forget();
    else if (kind === "hello") this.#tellStatus();
    else if (kind === "status") {
      const { error, ...status } = payload as SyncStatus;
      this.#set({ ...status, error: error && fromPlain(error) });
    } else if (kind === "signedOut") this.#hear(kind, fromPlain(payload as never));
    else if (kind === "refused") {
      const { key, error } = payload as Told["refused"];
      this.#hear(kind, { key, error: fromPlain(error) });
    } else this.#hear(kind as keyof Told, payload as never);
  }

  #hear<N extends keyof Told>(kind: N, value: Told[N]): void {
    if (kind === "settled") this.#writer.settled(value as Told["settled"]);
    else if (kind === "refused") this.#writer.refused((value as Told["refused"]).key, (value as Told["refused"]).error);
    else {
      if (kind === "signedOut") this.#halt(value as SyncError);
      this.#events.emit(kind as keyof SyncEvents, value as never);
    }
    this.#settling.ring();
  }

  /** Notice that the network is back, that the page is hidden or shown, or comes out of the back-forward cache. */
  #watchPage(): void {
    if (typeof document === "undefined" || !globalThis.addEventListener) return;
    const { signal } = this.#ended;
    addEventListener("online", () => this.#engine.hurry(), { signal });
    addEventListener("pageshow", ({ persisted }) => {
      if (persisted && this.#session) void this.#replica.reload();
    }, { signal });
    const look = (): void => {
      const isHidden = document.visibilityState === "hidden";
      this.#hiddenSince = isHidden ? Date.now() : undefined;
      const ring = (): void => this.#session?.tabs.bell.ring();
      if (isHidden) setTimeout(ring, this.#pace.hiddenMs + 1);
      ring();
      if (!isHidden) this.#engine.hurry();
    };
    document.addEventListener("visibilitychange", look, { signal });
    look();
  }
}

type Plain = Pick<SyncError, "code" | "message" | "details">;
const plain = ({ code, message, details }: SyncError): Plain => ({ code, message, details });
const plainRefused = ({ key, error }: Told["refused"]): object => ({ key, error: plain(error) });
const fromPlain = ({ code, message, details }: Plain): SyncError => new SyncError(code, message, details);
