/** The work of the tab that leads: it reads and writes, and comes back after every failure. */

import { SyncError } from "./errors.js";
import type { Connection } from "./http.js";
import { Pusher, randomId, type Outcome } from "./pusher.js";
import { Reader } from "./reader.js";
import { metaWrite, type Replica } from "./replica.js";
import { Backoff, Bell } from "./waiting.js";

/** Where syncing stands. */
export type Phase = "offline" | "connecting" | "catchingUp" | "live" | "stopped";

/** What the engine tells, and asks. */
export interface Told extends Omit<Outcome, "readAll"> {
  status(change: {
    phase?: Phase;
    progress?: { readonly received: number } | undefined;
    error?: SyncError | undefined;
  }): void;
  reset(): void;
  signedOut(error: SyncError): void;
}

export interface Pace {
  /** The first and the longest pause between attempts. */
  readonly firstRetryMs: number;
  readonly mostRetryMs: number;
  /** How often to look for news where no stream gets through. */
  readonly pollMs: number;
}

/** How long streams are left alone after they did not get through. */
const STREAMS_AGAIN_MS = 300_000;

export class Engine {
  /** Rung when something waits for the server. */
  readonly work = new Bell();
  readonly #hurry = new Bell();
  readonly #reader: Reader;
  readonly #pusher: Pusher;
  #asked: (() => void)[] = [];
  #cut = new AbortController();
  #readingBackoff: Backoff;
  #isLive = false;
  #received = 0;

  constructor(
    connection: Connection,
    private readonly replica: Replica,
    private readonly types: readonly string[],
    private readonly version: number,
    private readonly pace: Pace,
    private readonly told: Told,
  ) {
    this.#readingBackoff = new Backoff(pace.firstRetryMs, pace.mostRetryMs);
    this.#reader = new Reader(connection, replica, types, {
      received: (changes) => {
        if (this.#isLive) return;
        this.#received += changes;
        told.status({ phase: "catchingUp", progress: { received: this.#received } });
      },
      caughtUp: () => {
        this.#isLive = true;
        this.#readingBackoff.reset();
        told.status({ phase: "live", progress: undefined, error: undefined });
        this.#hurry.ring();
      },
      reset: () => told.reset(),
    });
    this.#pusher = new Pusher(connection, replica, { ...told, readAll: () => this.#readAll() });
  }

  /** Try again now what waits for a better moment. */
  hurry(): void {
    this.#hurry.ring();
    this.work.ring();
  }

  /** Connect anew, with a new token. */
  reconnect(): void {
    this.#cut.abort();
    this.hurry();
  }

  /** Read and write until `stop`. */
  async lead(stop: AbortSignal): Promise<void> {
    const abort = (): void => {
      this.hurry();
      this.#cut.abort();
    };
    stop.addEventListener("abort", abort);
    try {
      await this.#introduce();
      await Promise.all([this.#read(stop), this.#write(stop)]);
    } finally {
      stop.removeEventListener("abort", abort);
    }
  }

  /** Name this installation, and begin to read anew where there are types that were not read before. */
  async #introduce(): Promise<void> {
    const { meta } = this.replica;
    const isNew = this.types.some((type) => !meta.types.includes(type));
    await this.replica.commit([
      metaWrite({
        ...meta,
        version: this.version,
        device: meta.device || randomId(),
        types: this.types,
        ...(isNew && { token: "", reading: meta.reading + 1, sweeping: true }),
      }),
    ]);
  }

  async #read(stop: AbortSignal): Promise<void> {
    const backoff = this.#readingBackoff;
    while (!stop.aborted) {
      this.#isLive = false;
      this.#received = 0;
      this.told.status({ phase: "connecting", progress: undefined });
      try {
        if (this.#asked.length || !this.#reader.isLive) await this.#round(stop);
        else {
          this.#cut = new AbortController();
          if (stop.aborted) return;
          await this.#reader.stream(this.#cut.signal);
          if (!this.#cut.signal.aborted) await this.#pause(backoff.next(), stop);
        }
      } catch (error) {
        if (this.#cut.signal.aborted && !stop.aborted) continue;
        const isTokenBad = error instanceof SyncError && error.details["status"] === 400 && this.replica.meta.token;
        if (isTokenBad) await this.#reader.startOver();
        else await this.#failed(error, backoff, stop, { phase: "offline", progress: undefined });
      }
    }
  }

  async #round(stop: AbortSignal): Promise<void> {
    const asked = this.#asked.splice(0);
    try {
      await this.#reader.round(stop);
    } catch (error) {
      this.#asked.push(...asked);
      throw error;
    }
    for (const go of asked) go();
    if (this.#reader.isLive || this.#asked.length) return;
    setTimeout(() => (this.#reader.silent = 0), STREAMS_AGAIN_MS);
    await this.#hurry.wait(this.pace.pollMs);
  }

  #readAll(): Promise<void> {
    return new Promise((resolve) => {
      this.#asked.push(resolve);
      this.#cut.abort();
      this.#hurry.ring();
    });
  }

  async #write(stop: AbortSignal): Promise<void> {
    const backoff = new Backoff(this.pace.firstRetryMs, this.pace.mostRetryMs);
    let isFailing = false;
    while (!stop.aborted) {
      if (!this.replica.pending && !this.replica.flight) await this.work.wait();
      else {
        try {
          await this.#pusher.push(stop);
          backoff.reset();
          if (isFailing) this.told.status({ error: undefined });
          isFailing = false;
        } catch (error) {
          isFailing = true;
          await this.#failed(error, backoff, stop);
        }
      }
    }
  }

  async #failed(thrown: unknown, backoff: Backoff, stop: AbortSignal, status = {}): Promise<void> {
    if (stop.aborted) return;
    const error = thrown instanceof SyncError ? thrown : new SyncError("PROTOCOL", String(thrown));
    if (error.code === "SIGNED_OUT") {
      this.told.signedOut(error);
      while (!stop.aborted) await this.#hurry.wait();
    } else {
      this.told.status({ ...status, error });
      await this.#pause(Math.max(backoff.next(), error.retryAfterMs), stop, error.retryAfterMs);
    }
  }

  /** Wait so long, or for a better moment, but never less than the server asked for. */
  async #pause(ms: number, stop: AbortSignal, leastMs = 0): Promise<void> {
    const begin = Date.now();
    await this.#hurry.wait(ms);
    while (!stop.aborted && Date.now() < begin + leastMs) await this.#hurry.wait(begin + leastMs - Date.now());
  }
}
