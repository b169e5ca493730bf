/** Why something did not go well. */
export type SyncErrorCode =
  /** The server could not be reached, or said that it cannot answer now. What waits is sent later. */
  | "OFFLINE"
  /** Too many requests; sent again when the server allows it. */
  | "RATE_LIMITED"
  /** The token callback has no token, or the server does not take what it returned, twice in a row. */
  | "SIGNED_OUT"
  /** The server refused a change: it is malformed, too large, or not allowed. */
  | "REFUSED"
  /** The schema of the collection refused a value; nothing was written. */
  | "INVALID"
  /** There is no such entity to update or delete. */
  | "NOT_FOUND"
  /** A change or a batch is larger than a push can be. */
  | "TOO_LARGE"
  /** The device has no room for more, or keeps nothing for this page: the app goes on in memory. */
  | "STORAGE"
  /** The store on this device was written by a newer version of the app or of this package. */
  | "STORE_NEWER"
  /** Changes wait for the server, so signing out would lose them. */
  | "PENDING"
  /** `stop`, `signOut`, or a page that is closing. */
  | "STOPPED"
  /** The server answered what this package does not understand. */
  | "PROTOCOL";

/** An error of this package: what went wrong by `code`, in words by `message`. */
export class SyncError extends Error {
  override readonly name = "SyncError";

  constructor(
    readonly code: SyncErrorCode,
    message: string,
    /** What the server or a schema says beyond the message: the index of a change, a field, a limit, issues. */
    readonly details: Readonly<Record<string, unknown>> = {},
    /** How long the server asks to wait. */
    readonly retryAfterMs = 0,
  ) {
    super(message);
  }
}
