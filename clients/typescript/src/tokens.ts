/** The session token: asked of the app when there is none, when it is about to end, and when the server refuses it. */

import type { ServerClock } from "./clock.js";
import { SyncError } from "./errors.js";

/** How long before its end a token is replaced. */
const MARGIN_MS = 15_000;

/** Returns a session token for whom the app acts, or nothing when nobody is signed in. */
export type TokenSource = () => string | null | undefined | Promise<string | null | undefined>;

export class Tokens {
  #token: string | undefined;
  #asking: Promise<string> | undefined;

  constructor(
    private readonly source: TokenSource,
    private readonly clock: ServerClock,
  ) {}

  /** Return a token; raises SyncError: SIGNED_OUT when there is none, OFFLINE when the app cannot tell now. */
  async get(): Promise<string> {
    const token = this.#token;
    if (token && endOf(token) > this.clock.now() + MARGIN_MS) return token;
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  /** Take this token, or whichever there is, for no good any more. */
  refuse(token = this.#token): void {
    if (this.#token === token) this.#token = undefined;
  }

  async #ask(): Promise<string> {
    let token: string | null | undefined;
    try {
      token = await this.source();
    } catch (error) {
      throw new SyncError("OFFLINE", `The app has no token right now: ${String(error)}`);
    }
    if (!token) throw new SyncError("SIGNED_OUT", "Nobody is signed in: the app has no token.");
    return (this.#token = token.trim());
  }
}

/** Return whom a token is for. */
export function userOf(token: string): string {
  const { sub } = claims(token);
  if (typeof sub === "string" && sub) return sub;
  throw new SyncError("SIGNED_OUT", "The app's token is no session token: it names no user (`sub`).");
}

function endOf(token: string): number {
  const { exp } = claims(token);
  return typeof exp === "number" ? exp * 1000 : Infinity;
}

function claims(token: string): Record<string, unknown> {
  try {
    const payload = token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/");
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return {};
  }
}
