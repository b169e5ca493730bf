/** Writing: what waits becomes pushes, one at a time, each sent until the server has answered it. */

import type { Conflict } from "./conflict.js";
import { SyncError } from "./errors.js";
import { call, type Connection } from "./http.js";
import { applied, entityKey, same, type Change, type Data, type Entry, type Flight, type Version } from "./model.js";
import {
  entryWrite,
  flightWrite,
  metaWrite,
  parkedWrite,
  versionWrite,
  type Replica,
} from "./replica.js";
import type { Write } from "./storage/storage.js";
import { MAX_PUSH_BYTES, MAX_PUSH_CHANGES, type PushBody, type Pushed, type PushedChange } from "./wire.js";

/** Told of what becomes of changes. */
export interface Outcome {
  resolve(meeting: Conflict): Promise<Data | null>;
  resolved(meeting: Conflict, result: Data | null): void;
  /** These entries are with the server. */
  settled(keys: readonly string[]): void;
  /** The server refused an entry. */
  refused(entry: Entry, error: SyncError): void;
}

export class Pusher {
  /** Fewer than a push may have, after one was too large: something on the way takes less than the server. */
  #mostBytes = MAX_PUSH_BYTES;

  constructor(
    private readonly connection: Connection,
    private readonly replica: Replica,
    private readonly outcome: Outcome,
  ) {}

  /** Send one push, and take what became of it; raises SyncError when nothing is known. */
  async push(stop: AbortSignal): Promise<void> {
    const flight = this.replica.flight ?? (await this.#form(stop));
    if (!flight || stop.aborted) return;
    const placed = this.#placed(flight);
    const body: PushBody = {
      changes: placed.map(({ change }, index) => pushed(change, flight.bases[index]!)),
      checkpoint_token: flight.token,
      push_id: flight.pushId,
    };
    let answer: Pushed;
    try {
      answer = await call<Pushed>(this.connection, "/client/sync", stop, JSON.stringify(body));
    } catch (error) {
      if (!(error instanceof SyncError) || error.code !== "REFUSED") throw error;
      return this.#refused(flight, placed, error);
    }
    await this.#answered(flight, placed, answer);
  }

  /** Make a push of what waits, and keep it before it is sent. */
  async #form(stop: AbortSignal): Promise<Flight | undefined> {
    const { replica } = this;
    const keys = this.#next();
    const stale = keys.flatMap((key) => replica.entries.get(key)!.changes).find((change) => this.#isStale(change));
    if (stale) {
      await this.#meet(stale, stop);
      return undefined; // what waits is another now
    }
    const bases: number[] = [];
    const first = new Map<string, number>();
    const writes: Write[] = [];
    for (const key of keys) {
      const changes = replica.entries.get(key)!.changes.map((change) => {
        const name = entityKey(change.type, change.id);
        const version = replica.version(name);
        const isFirst = !first.has(name);
        if (isFirst) first.set(name, version?.revision ?? 0);
        bases.push(first.get(name)!);
        return isFirst ? { ...change, base: first.get(name)!, before: version?.data ?? null } : change;
      });
      writes.push(entryWrite(key, changes));
    }
    if (!keys.length) return undefined;
    const flight = { pushId: randomId(), token: replica.meta.token, keys, bases };
    await replica.commit([...writes, flightWrite(flight)]);
    return flight;
  }

  /** Return the oldest entries that fit into a push. */
  #next(): string[] {
    const keys: string[] = [];
    let changes = 0;
    let bytes = 0;
    for (const key of [...this.replica.entries.keys()].sort()) {
      const entry = this.replica.entries.get(key)!;
      changes += entry.changes.length;
      bytes += bytesOf(entry.changes);
      const fits = changes <= MAX_PUSH_CHANGES && bytes <= this.#mostBytes;
      if (keys.length && !fits) break;
      keys.push(key);
    }
    return keys;
  }

  /** Tell whether somebody else has changed an entity since it was changed here. */
  #isStale({ type, id }: Change): boolean {
    const name = entityKey(type, id);
    const { base } = this.replica.waiting(name)[0]!.change;
    const version = this.replica.version(name);
    return base !== undefined && base !== (version?.revision ?? 0) && base !== version?.previous;
  }

  /** Settle what waits for an entity with what somebody else has made of it. */
  async #meet({ type, id }: Change, stop: AbortSignal): Promise<void> {
    const { replica, outcome } = this;
    const name = entityKey(type, id);
    const waiting = [...replica.waiting(name)];
    const first = waiting[0]!;
    const { before = null } = first.change;
    const version = replica.version(name);
    const theirs = version?.data ?? null;
    const mine = waiting.reduce((data, { change }) => applied(data, change), before);
    let result = theirs;
    if (!same(mine, theirs)) {
      const meeting = { type, id, base: before, mine, theirs };
      result = await outcome.resolve(meeting);
      if (stop.aborted || replica.version(name) !== version) return; // it has changed again meanwhile
      outcome.resolved(meeting, result);
    }
    const at = waiting.at(-1)!.change.at;
    const mended = same(result, theirs)
      ? []
      : [{ type, id, ...between(theirs, result), at, base: version?.revision ?? 0, before: theirs }];
    const keys = [...new Set(waiting.map(({ key }) => key))];
    const kept = (change: Change): readonly Change[] => {
      if (entityKey(change.type, change.id) !== name) return [change];
      return change === first.change ? mended : [];
    };
    const writes = keys.map((key) => entryWrite(key, replica.entries.get(key)!.changes.flatMap(kept)));
    await this.#commit(writes, [name]);
    outcome.settled(keys.filter((key) => !replica.entries.has(key)));
  }

  /** Take what the server says became of a push. */
  async #answered(flight: Flight, placed: readonly Placed[], answer: Pushed): Promise<void> {
    const { replica } = this;
    const lost = new Map(answer.conflicts.map((one) => [entityKey(one.entity_type, one.entity_id), one]));
    const made = new Map<string, Version>();
    const { reading } = replica.meta;
    placed.forEach(({ name, change }, index) => {
      if (lost.has(name)) return;
      const { type, id } = change;
      const base = flight.bases[index]!;
      const revision = answer.revisions[index]!;
      const before = made.has(name) ? made.get(name)!.data : (change.before ?? null);
      made.set(name, { type, id, revision, data: applied(before, change), reading, previous: base });
    });
    const isInStep = !lost.size && replica.meta.token === flight.token;
    const token = isInStep ? answer.checkpoint_token : replica.meta.token;
    const writes: Write[] = [flightWrite(undefined), metaWrite({ ...replica.meta, token, syncedAt: Date.now() })];
    for (const key of flight.keys) {
      const left = replica.entries.get(key)!.changes.filter((change) => lost.has(entityKey(change.type, change.id)));
      writes.push(entryWrite(key, left));
    }
    for (const [name, version] of made) {
      const known = replica.version(name);
      if (!known || known.revision < version.revision) writes.push(versionWrite(name, version));
      const next = replica.waiting(name).find(({ key }) => !flight.keys.includes(key));
      if (next && next.change.base === undefined) {
        const changes = replica.entries.get(next.key)!.changes;
        const based = { ...next.change, base: version.revision, before: version.data };
        writes.push(entryWrite(next.key, changes.map((change) => (change === next.change ? based : change))));
      }
    }
    placed.forEach(({ name, change: { type, id } }, index) => {
      const conflict = lost.get(name);
      const known = replica.version(name);
      // What was read since is newer than what it lost to, unless the server has just said that it is not there.
      if (!conflict || (known && known.revision !== flight.bases[index] && known.revision > conflict.revision)) return;
      const { last_synced_at: _, deleted, ...data } = conflict.server_data;
      const { revision } = conflict;
      if (known?.revision !== revision) {
        const isGone = deleted === true || !revision;
        writes.push(versionWrite(name, { type, id, revision, data: isGone ? null : data, reading }));
      }
    });
    await this.#commit(writes, made.keys());
    this.outcome.settled(flight.keys.filter((key) => !replica.entries.has(key)));
  }

  /** Take what the server refused apart: what it names is parked, the rest goes on. */
  async #refused(flight: Flight, placed: readonly Placed[], error: SyncError): Promise<void> {
    const { replica } = this;
    const { index, status, entity_type: type } = error.details;
    const isOne = flight.keys.length === 1;
    const named = new Set<string>();
    if (typeof index === "number" && placed[index]) named.add(placed[index].key);
    else if (status === 403) {
      for (const { key, change } of placed) if (change.type === type) named.add(key);
    } else if (status === 413 && isOne) named.add(flight.keys[0]!);
    if (status === 413 && !isOne) this.#mostBytes = bytesOf(placed) / 2;
    await replica.commit([flightWrite(undefined)]);
    if (named.size) await this.#park(named, error);
    else if (status !== 413) throw error;
  }

  async #park(named: ReadonlySet<string>, error: SyncError): Promise<void> {
    const { replica } = this;
    const never = new Set<string>();
    const parked: Entry[] = [];
    for (const key of [...replica.entries.keys()].sort()) {
      const entry = replica.entries.get(key)!;
      const names = entry.changes.map((change) => entityKey(change.type, change.id));
      // What was made on top of an entity that is not to be goes with it.
      if (!named.has(key) && !names.some((name) => never.has(name))) continue;
      for (const name of names) if (!replica.version(name)?.data) never.add(name);
      parked.push(entry);
    }
    const { message, details } = error;
    const writes = parked.flatMap((entry) => [entryWrite(entry.key, []), parkedWrite({ ...entry, message, details })]);
    await this.#commit(writes, parked.flatMap(({ changes }) => changes.map(({ type, id }) => entityKey(type, id))));
    for (const entry of parked) this.outcome.refused(entry, error);
  }

  /** Commit, and forget those entities that are deleted and for which nothing waits any more. */
  #commit(writes: readonly Write[], names: Iterable<string>): Promise<void> {
    const { replica } = this;
    const kept = replica.commit(writes);
    const gone = [...names].filter((name) => replica.version(name)?.data === null && !replica.waiting(name).length);
    return gone.length ? replica.commit(gone.map((name) => versionWrite(name, undefined))) : kept;
  }

  #placed(flight: Flight): Placed[] {
    return flight.keys.flatMap((key) =>
      this.replica.entries.get(key)!.changes.map((change) => ({ key, change, name: entityKey(change.type, change.id) })),
    );
  }
}

/** A change in a push, and the entry that it is of. */
interface Placed {
  readonly key: string;
  readonly name: string;
  readonly change: Change;
}

function pushed({ type, id, action, data, at }: Change, base: number): PushedChange {
  const change = { entity_type: type, entity_id: id, action, client_timestamp: at, base_revision: base };
  return action === "delete" ? change : { ...change, data: data! };
}

/** Return the change that makes one of the other. */
function between(before: Data | null, after: Data | null): Pick<Change, "action" | "data"> {
  if (!after) return { action: "delete" };
  if (!before || Object.keys(before).some((name) => !(name in after))) return { action: "create", data: after };
  const changed = Object.entries(after).filter(([name, value]) => !same(value, before[name]));
  return { action: "update", data: Object.fromEntries(changed) };
}

/** How many bytes this is as JSON. */
export const bytesOf = (value: unknown): number => new TextEncoder().encode(JSON.stringify(value)).length;

/** Make an id at random: a UUID, also on pages that are not secure, which have no `randomUUID`. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
