/** The server's clock, as far as its answers tell: a change is stamped with it, so that a wrong device clock is harmless. */
export class ServerClock {
  /** The server's clock is ahead of this one by no less, and by no more. */
  #least = -Infinity;
  #most = Infinity;

  /** Begin with what was known last time. */
  known(aheadMs: number): void {
    if (aheadMs) this.#least = this.#most = aheadMs;
  }

  /** Learn from the `Date` header of an answer, which names the second in which it was made. */
  heard(date: string | null, sentAt: number, answeredAt: number): void {
    const second = Date.parse(date ?? "");
    if (Number.isNaN(second)) return;
    const [least, most] = [second - answeredAt, second + 1000 - sentAt];
    this.#least = Math.max(least, this.#least);
    this.#most = Math.min(most, this.#most);
    if (this.#least > this.#most) [this.#least, this.#most] = [least, most]; // one of the clocks was set
  }

  /** What the server's clock is ahead of this one, in milliseconds; 0 where they may well agree. */
  get aheadMs(): number {
    const agree = this.#least <= 0 && this.#most >= 0;
    return agree ? 0 : Math.round((this.#least + this.#most) / 2);
  }

  now(): number {
    return Date.now() + this.aheadMs;
  }
}
