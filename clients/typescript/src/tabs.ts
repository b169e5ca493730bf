/** Tabs of one origin that share a store: one of them leads, all of them hear of what is written. */

import type { Store } from "./storage/storage.js";
import { Bell } from "./waiting.js";

const LEASE_MS = 2_000;
const RENEW_MS = 500;

/** What tabs tell each other. */
export interface Message {
  readonly kind: string;
  readonly payload?: unknown;
}

export class Tabs {
  /** Rung when what this tab wants may have changed. */
  readonly bell = new Bell();
  readonly #channel: BroadcastChannel | undefined;

  constructor(
    private readonly store: Store,
    take: (message: Message) => void,
  ) {
    if (!store.shared || typeof BroadcastChannel === "undefined") return;
    this.#channel = new BroadcastChannel(`syncline:${store.shared}`);
    this.#channel.onmessage = ({ data }) => take(data as Message);
  }

  tell(kind: string, payload?: unknown): void {
    this.#channel?.postMessage({ kind, payload });
  }

  close(): void {
    this.#channel?.close();
  }

  /** Lead whenever this tab wants to and no other does, until `stop`. `lead` ends soon after its signal is aborted. */
  async run(stop: AbortSignal, wants: () => boolean, lead: (stop: AbortSignal) => Promise<void>): Promise<void> {
    stop.addEventListener("abort", () => this.bell.ring());
    while (!stop.aborted) {
      if (!wants()) await this.bell.wait();
      else {
        await this.#alone(stop, async (lost) => {
          if (!wants()) return; // any more
          const own = new AbortController();
          const abort = (): void => own.abort();
          lost.addEventListener("abort", abort);
          const leading = lead(own.signal).finally(() => this.bell.ring());
          let isOver = false;
          void leading.finally(() => (isOver = true));
          while (!stop.aborted && !lost.aborted && !isOver && wants()) await this.bell.wait();
          own.abort();
          await leading;
        });
      }
    }
  }

  /** Do something that no other tab does at the same time. */
  async #alone(stop: AbortSignal, work: (lost: AbortSignal) => Promise<void>): Promise<void> {
    const { shared } = this.store;
    const lost = new AbortController();
    if (!shared) return work(lost.signal);
    if (typeof navigator !== "undefined" && navigator.locks) {
      const locked = navigator.locks.request(`syncline:${shared}`, { signal: stop }, () => work(lost.signal));
      return locked.catch((error: unknown) => {
        if (!stop.aborted) throw error;
      });
    }
    const owner = Math.random().toString(36);
    const holds = (ms: number): Promise<boolean> => this.store.lease!(owner, ms).catch(() => false);
    while (!(await holds(LEASE_MS))) {
      if (stop.aborted) return;
      await this.bell.wait(RENEW_MS);
    }
    const renewing = setInterval(() => {
      void holds(LEASE_MS).then((held) => {
        if (held) return;
        lost.abort();
        this.bell.ring();
      });
    }, RENEW_MS);
    try {
      await work(lost.signal);
    } finally {
      clearInterval(renewing);
      await holds(0);
    }
  }
}
