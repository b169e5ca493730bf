/** Reading: everything from where this store stands, then live; by a stream, or page by page where none gets through. */

import { SyncError } from "./errors.js";
import { call, type Connection } from "./http.js";
import { entityKey, type Version } from "./model.js";
import { metaWrite, versionWrite, type Replica } from "./replica.js";
import type { Write } from "./storage/storage.js";
import { canFollow, follow, type ServerEvent } from "./stream.js";
import type { Pulled, PulledChange, Streamed } from "./wire.js";

/** An idle stream gets an event every 15 seconds: after so long without any it is dead, and nobody said so. */
const SILENCE_MS = 45_000;
/** A stream that says nothing at first is kept back by something on the way. */
const FIRST_MS = 10_000;
/** After so many of them it is asked page by page, for so long. */
const MOST_SILENT = 2;
const STREAMS_AGAIN_MS = 300_000;

/** Told of what is read, as it is read. */
export interface Heard {
  /** So many changes came. */
  received(changes: number): void;
  caughtUp(): void;
  /** The server started this reader over. */
  reset(): void;
}

interface Read {
  readonly changes: readonly PulledChange[];
  readonly checkpoint_token?: string;
  readonly caught_up?: boolean;
  readonly reset?: boolean;
}

export class Reader {
  /** Streams in a row that were opened and said nothing, and when the last one was. */
  #silent = 0;
  #silentAt = 0;

  constructor(
    private readonly connection: Connection,
    private readonly replica: Replica,
    private readonly types: readonly string[],
    private readonly heard: Heard,
  ) {}

  /** Tell whether streams get through here, as far as is known. */
  get isLive(): boolean {
    return canFollow() && (this.#silent < MOST_SILENT || Date.now() > this.#silentAt + STREAMS_AGAIN_MS);
  }

  /** Follow everything live until the stream ends; raises SyncError. */
  async stream(stop: AbortSignal): Promise<void> {
    const query = this.types.map((type) => `entity_type=${encodeURIComponent(type)}`).join("&");
    const own = new AbortController();
    const abort = (): void => own.abort();
    stop.addEventListener("abort", abort);
    let isOpen = false;
    let isSilent = true;
    const watch = (ms: number): unknown => setTimeout(abort, ms);
    let timer = watch(FIRST_MS);
    const heard = (): void => {
      isSilent = !isOpen;
      isOpen = true;
      clearTimeout(timer as number);
      timer = watch(SILENCE_MS);
    };
    try {
      const path = `/client/sync/stream?${query}${this.#token()}`;
      await follow(this.connection, path, own.signal, (event) => this.#take(event, own.signal), heard);
    } finally {
      clearTimeout(timer as number);
      stop.removeEventListener("abort", abort);
      this.#silent = isOpen && isSilent && !stop.aborted ? this.#silent + 1 : 0;
      this.#silentAt = Date.now();
    }
  }

  /** Begin again, keeping what is there until the end of the reading. */
  startOver(): Promise<void> {
    return this.#read({ changes: [], checkpoint_token: "", reset: true });
  }

  /** Read all there is now, page by page. */
  async round(stop: AbortSignal): Promise<void> {
    let first = "";
    for (const type of this.types) {
      // Each type begins where all have been read: the token moves when all of them are at their end.
      let token = this.#token();
      for (;;) {
        const path = `/client/sync?entity_type=${encodeURIComponent(type)}${token}`;
        const page = await call<Pulled>(this.connection, path, stop);
        if (stop.aborted) return;
        if (page.reset) {
          await this.startOver();
          return this.round(stop);
        }
        this.#read({ changes: page.changes });
        token = `&checkpoint_token=${encodeURIComponent(page.checkpoint_token)}`;
        if (!page.has_more) {
          first ||= page.checkpoint_token;
          break;
        }
      }
    }
    this.#read({ changes: [], checkpoint_token: first, caught_up: true });
  }

  #token(): string {
    const { token } = this.replica.meta;
    return token && `&checkpoint_token=${encodeURIComponent(token)}`;
  }

  async #take(event: ServerEvent, stop: AbortSignal): Promise<void> {
    if (stop.aborted) return;
    const said = JSON.parse(event.data) as Streamed & { error?: { code: string; message: string } };
    if (event.name === "closed") {
      // Its session has ended; whether there is another one, the next call tells.
      if (said.error?.code === "UNAUTHORIZED") return this.connection.tokens.refuse();
      throw new SyncError("REFUSED", said.error?.message ?? "The server closed the stream.");
    }
    await this.#read(said);
  }

  /** Take what was read, with the position after it, at once. */
  #read(read: Read): Promise<void> {
    const { replica, heard } = this;
    let meta = replica.meta;
    if (read.reset) {
      meta = { ...meta, reading: meta.reading + 1, sweeping: true };
      heard.reset();
    }
    const { reading } = meta;
    const writes: Write[] = [];
    const met = new Set<string>();
    for (const { entity_type: type, entity_id: id, action, data, revision } of read.changes) {
      const key = entityKey(type, id);
      const known = replica.version(key);
      met.add(key);
      if (known && known.reading === reading && known.revision > revision) continue;
      // What is read of our own push still is our own.
      const previous = known?.revision === revision ? known.previous : undefined;
      const version: Version = { type, id, revision, data: action === "delete" ? null : data, reading, previous };
      const isNothing = !version.data && !replica.waiting(key).length;
      if (!isNothing || known) writes.push(versionWrite(key, isNothing ? undefined : version));
    }
    heard.received(read.changes.length);
    const { checkpoint_token: token = meta.token } = read;
    if (token !== meta.token) meta = { ...meta, token };
    if (read.caught_up) {
      if (meta.sweeping) writes.push(...this.#unmet(reading, met));
      meta = { ...meta, sweeping: false, whole: true };
    }
    if (read.caught_up || writes.length) {
      meta = { ...meta, syncedAt: Date.now(), clockMs: this.connection.clock.aheadMs };
    }
    if (meta !== replica.meta) writes.push(metaWrite(meta));
    const kept = writes.length ? replica.commit(writes) : Promise.resolve();
    if (read.caught_up) heard.caughtUp();
    return kept;
  }

  /** What a reading from the start did not meet is no more. */
  *#unmet(reading: number, met: ReadonlySet<string>): Generator<Write> {
    for (const version of this.replica.versions()) {
      const key = entityKey(version.type, version.id);
      if (version.reading !== reading && !met.has(key)) yield versionWrite(key, undefined);
    }
  }
}
