/** What goes over the wire: checkpoint sync, as the server's OpenAPI document describes it. */

import type { Data } from "./model.js";

export const MAX_PUSH_CHANGES = 1000;
export const MAX_ENTITY_TYPES = 100;
export const MAX_ID_BYTES = 128;
export const ENTITY_TYPE = /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/;
/** A body that stays below what a server takes, 4 MiB, with room for what surrounds the changes. */
export const MAX_PUSH_BYTES = 4_000_000;

export interface PushedChange {
  readonly entity_type: string;
  readonly entity_id: string;
  readonly action: "create" | "update" | "delete";
  readonly data?: Data;
  readonly client_timestamp: string;
  readonly base_revision: number;
}

export interface PushBody {
  readonly changes: readonly PushedChange[];
  readonly checkpoint_token: string;
  readonly push_id: string;
}

export interface Conflict {
  readonly entity_type: string;
  readonly entity_id: string;
  readonly server_data: Data;
  readonly revision: number;
}

export interface Pushed {
  readonly applied: number;
  readonly conflicts: readonly Conflict[];
  readonly checkpoint_token: string;
  /** One a change; 0 for one that lost, and for the delete of what never was. */
  readonly revisions: readonly number[];
}

export interface PulledChange {
  readonly entity_type: string;
  readonly entity_id: string;
  readonly action: "create" | "update" | "delete";
  readonly data: Data;
  readonly revision: number;
}

export interface Pulled {
  readonly changes: readonly PulledChange[];
  readonly checkpoint_token: string;
  readonly has_more: boolean;
  readonly reset?: boolean;
}

/** The data of an event of a stream. */
export interface Streamed {
  readonly changes: readonly PulledChange[];
  readonly checkpoint_token: string;
  readonly caught_up?: boolean;
  readonly reset?: boolean;
}
