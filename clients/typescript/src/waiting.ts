/** Waiting for what happens, for no longer than a time. */

/** Something to wait for that happens again and again. */
export class Bell {
  #waiting = new Set<() => void>();

  ring(): void {
    for (const go of this.#waiting) go();
  }

  /** Wait for the next ring, or for so long. */
  wait(ms?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : setTimeout(go, Math.min(ms, 2 ** 31 - 1));
      const waiting = this.#waiting;
      function go(): void {
        waiting.delete(go);
        clearTimeout(timer);
        resolve();
      }
      waiting.add(go);
    });
  }
}

/** Pauses between attempts: longer each time, and never the same for all clients of a server that comes back. */
export class Backoff {
  #failures = 0;

  constructor(
    readonly firstMs: number,
    readonly mostMs: number,
  ) {}

  reset(): void {
    this.#failures = 0;
  }

  /** Return how long to wait now. */
  next(): number {
    const most = Math.min(this.mostMs, this.firstMs * 2 ** this.#failures++);
    return most / 2 + (Math.random() * most) / 2;
  }
}
