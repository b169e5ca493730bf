/** Server-sent events over `fetch`, or over XMLHttpRequest where `fetch` gives no streams (React Native). */

import { SyncError } from "./errors.js";
import { answered, failure, headersFor, offline, type Connection } from "./http.js";

const EVENTS = "text/event-stream";
/** An XMLHttpRequest keeps all that it received: after so many characters it is opened again. */
const MOST_TEXT = 1_000_000;

/** One event. */
export interface ServerEvent {
  readonly name: string;
  readonly data: string;
}

/** Open a stream, and give each event away until it ends; raises SyncError where it ends badly.
 * `heard`: it is open, or something came. */
export async function follow(
  connection: Connection,
  path: string,
  stop: AbortSignal,
  take: (event: ServerEvent) => Promise<void>,
  heard: () => void,
): Promise<void> {
  const chunks = hasStreams() ? fetched(connection, path, stop) : requested(connection, path, stop);
  const read = parser();
  for await (const text of chunks) {
    heard();
    for (const event of read(text)) await take(event);
  }
}

/** Tell whether events can be had here at all. */
export const canFollow = (): boolean => hasStreams() || typeof XMLHttpRequest !== "undefined";

const hasStreams = (): boolean => typeof Response !== "undefined" && "body" in Response.prototype;

async function* fetched(connection: Connection, path: string, stop: AbortSignal): AsyncGenerator<string> {
  const answer = await answered(connection, path, stop, undefined, EVENTS);
  yield ""; // it is open
  const reader = answer.body!.getReader();
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield decoder.decode(value, { stream: true });
    }
  } catch (error) {
    throw offline(error);
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

async function* requested(connection: Connection, path: string, stop: AbortSignal): AsyncGenerator<string> {
  const token = await connection.tokens.get();
  const request = new XMLHttpRequest();
  let wake = (): void => undefined;
  let isOver = false;
  request.open("GET", connection.url + path);
  for (const [name, value] of Object.entries(headersFor(connection, token, EVENTS))) {
    request.setRequestHeader(name, value);
  }
  request.onprogress = () => wake();
  request.onloadend = () => {
    isOver = true;
    wake();
  };
  const abort = (): void => request.abort();
  stop.addEventListener("abort", abort);
  request.send();
  try {
    for (let taken = 0, isOpen = false; taken < MOST_TEXT; ) {
      const { status, responseText } = request;
      if (status === 200 && !isOpen) yield "";
      isOpen = status === 200;
      if (status && !isOpen && isOver) {
        if (status === 401) connection.tokens.refuse(token);
        throw await failure(status, request.getResponseHeader("Retry-After"), async () => JSON.parse(responseText));
      }
      const text = isOpen ? responseText.slice(taken) : "";
      taken += text.length;
      if (text) yield text;
      else if (isOver) {
        if (!status) throw new SyncError("OFFLINE", "The stream broke off.");
        return;
      } else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    stop.removeEventListener("abort", abort);
    request.abort();
  }
}

/** Return a function that takes pieces of a stream of events and returns those that are complete. */
export function parser(): (text: string) => ServerEvent[] {
  let rest = "";
  let name = "";
  let data: string[] = [];
  return (text) => {
    const events: ServerEvent[] = [];
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const ended of lines) {
      const line = ended.replace(/\r$/, "");
      const colon = line.indexOf(":");
      const [field, value] = colon < 0 ? [line, ""] : [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
      if (field === "data") data.push(value);
      else if (field === "event") name = value;
      else if (!line) {
        if (data.length) events.push({ name: name || "message", data: data.join("\n") });
        [name, data] = ["", []];
      }
    }
    return events;
  };
}
