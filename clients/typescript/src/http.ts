/** Calls to the server: credentials, what its errors mean, its clock. */

import type { ServerClock } from "./clock.js";
import { SyncError, type SyncErrorCode } from "./errors.js";
import type { Tokens } from "./tokens.js";

/** How long an answer may take. */
const ANSWER_MS = 30_000;
/** Answers that refuse what was asked, if it is the server that answers, and not something on the way. */
const REFUSALS = new Set([400, 403, 413]);

export interface Connection {
  readonly url: string;
  readonly key: string;
  readonly fetch: typeof fetch;
  readonly tokens: Tokens;
  readonly clock: ServerClock;
  /** Called with each token before it is used; raises SyncError where it is another user's. */
  readonly check: (token: string) => void;
  /** Which installation this is. */
  readonly device: () => string;
}

/** Make a call and return the `data` of its answer; raises SyncError. */
export async function call<T>(connection: Connection, path: string, stop: AbortSignal, body?: string): Promise<T> {
  // React Native has neither AbortSignal.any nor AbortSignal.timeout.
  const either = new AbortController();
  const abort = (): void => either.abort();
  const timer = setTimeout(abort, ANSWER_MS);
  stop.addEventListener("abort", abort);
  try {
    const answer = await answered(connection, path, either.signal, body);
    return ((await answer.json()) as { data: T }).data;
  } catch (error) {
    throw offline(error);
  } finally {
    clearTimeout(timer);
    stop.removeEventListener("abort", abort);
  }
}

/** Make a call, once more with a new token if need be, and return its answer as it comes. */
export async function answered(
  connection: Connection,
  path: string,
  stop: AbortSignal,
  body?: string,
  accept = "application/json",
): Promise<Response> {
  for (let isLast = false; ; isLast = true) {
    const { tokens, clock } = connection;
    const token = await tokens.get();
    const init: RequestInit = {
      method: body === undefined ? "GET" : "POST",
      headers: headersFor(connection, token, accept),
      signal: stop,
    };
    if (body !== undefined) init.body = body;
    const sentAt = Date.now();
    const answer = await connection.fetch(connection.url + path, init).catch((error) => {
      throw offline(error);
    });
    clock.heard(answer.headers.get("Date"), sentAt, Date.now());
    if (answer.ok) return answer;
    const error = await failure(answer.status, answer.headers.get("Retry-After"), () => answer.json());
    if (answer.status !== 401 || isLast) throw error;
    tokens.refuse(token);
  }
}

/** Return the headers of a call; raises SyncError where the token is another user's. */
export function headersFor(connection: Connection, token: string, accept: string): Record<string, string> {
  connection.check(token);
  return {
    "X-Api-Key": connection.key,
    Authorization: `Bearer ${token}`,
    "X-Device-Id": connection.device(),
    "Content-Type": "application/json",
    Accept: accept,
  };
}

/** Read what a failed answer says. */
export async function failure(
  status: number,
  retryAfter: string | null,
  body: () => Promise<unknown>,
): Promise<SyncError> {
  const { error } = ((await body().catch(() => undefined)) ?? {}) as { error?: Partial<SyncError> };
  const message = error?.message ?? `The server answered with status ${status}.`;
  const code = codeOf(status, error !== undefined);
  return new SyncError(code, message, { status, ...error?.details }, Number(retryAfter) * 1000 || 0);
}

function codeOf(status: number, isOurs: boolean): SyncErrorCode {
  if (status === 401) return "SIGNED_OUT";
  if (status === 429) return "RATE_LIMITED";
  return status === 413 || (isOurs && REFUSALS.has(status)) ? "REFUSED" : "OFFLINE";
}

export function offline(error: unknown): SyncError {
  return error instanceof SyncError ? error : new SyncError("OFFLINE", `The server cannot be reached: ${String(error)}`);
}
