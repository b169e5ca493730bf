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
export interface Told extends Outcome {
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
  /** How long a page that is hidden goes on. */
  readonly hiddenMs: number;
}

/** The longest that a server's word is followed. */
const MOST_RETRY_AFTER_MS = 300_000;
/** How long work may take to end: what the app was asked, it may never answer. */
const END_MS = 1_000;

export class Engine {
  /** Rung when something waits for the server. */
  readonly work = new Bell();
  readonly #hurry = new Bell();
  readonly #reader: Reader;
  readonly #pusher: Pusher;
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
    this.#pusher = new Pusher(connection, replica, told);
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
    await this.#introduce();
    await unlessStopped(Promise.all([this.#read(stop), this.#write(stop)]), stop);
    stop.removeEventListener("abort", abort);
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
      this.#cut = new AbortController();
      this.told.status({ phase: "connecting", progress: undefined });
      try {
        if (!this.#reader.isLive) await this.#round(stop);
        else {
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
    await this.#reader.round(stop);
    await this.#hurry.wait(this.pace.pollMs);
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
      const leastMs = Math.min(error.retryAfterMs, MOST_RETRY_AFTER_MS);
      await this.#pause(Math.max(backoff.next(), leastMs), stop, leastMs);
    }
  }

  /** Wait so long, or for a better moment, but never less than the server asked for. */
  async #pause(ms: number, stop: AbortSignal, leastMs = 0): Promise<void> {
    const begin = Date.now();
    await this.#hurry.wait(ms);
    while (!stop.aborted && Date.now() < begin + leastMs) await this.#hurry.wait(begin + leastMs - Date.now());
  }
}

/** Wait for work, but once it is stopped not for long. */
function unlessStopped(work: Promise<unknown>, stop: AbortSignal): Promise<unknown> {
  let timer: ReturnType<typeof setTimeout>;
  const stopped = new Promise((resolve) => {
    stop.addEventListener("abort", () => (timer = setTimeout(resolve, END_MS)));
  });
  return Promise.race([work.finally(() => clearTimeout(timer)), stopped]);
}
