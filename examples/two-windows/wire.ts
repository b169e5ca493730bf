/** A connection to the server that a button can cut, as a tunnel or a lift would. */

export class Wire {
  #cut = new AbortController();

  get isCut(): boolean {
    return this.#cut.signal.aborted;
  }

  /** Break what is on its way, and let nothing through. */
  cut(): void {
    this.#cut.abort(new TypeError("The wire is cut."));
  }

  /** Let everything through again, and tell the page, as a browser does when a network comes back. */
  mend(): void {
    this.#cut = new AbortController();
    dispatchEvent(new Event("online"));
  }

  /** The global `fetch`, over this wire. */
  readonly fetch: typeof fetch = (input, init) => {
    const signals = init?.signal ? [init.signal, this.#cut.signal] : [this.#cut.signal];
    return fetch(input, { ...init, signal: AbortSignal.any(signals) });
  };
}
