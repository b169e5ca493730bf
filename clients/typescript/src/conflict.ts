/** What becomes of an entity that was changed here and elsewhere. */

import { same, type Data } from "./model.js";

/** An entity that was changed here and elsewhere: what it was, and what each made of it; `null`: deleted. */
export interface Conflict<K extends string = string, D extends object = Data> {
  readonly type: K;
  readonly id: string;
  readonly base: D | null;
  readonly mine: D | null;
  readonly theirs: D | null;
}

const KEEP = Symbol("keep");

/** What `keep` returns. */
export interface Kept {
  readonly [KEEP]: true;
}

/** What an entity becomes after a conflict: an object, `null` to delete it, or `keep()`. */
export type Resolution = object | null | Kept;

/** Resolve a conflict by what was made here. */
export const keep = (): Kept => ({ [KEEP]: true });

/** Return what a resolution makes of an entity. */
export function resolved({ mine }: Conflict, resolution: Resolution): Data | null {
  return resolution && KEEP in resolution ? mine : (resolution as Data | null);
}

/**
 * Resolve a conflict member by member: a member that one side alone has changed is as that side made it; what both have
 * changed is as they made it, and what they have deleted stays so. It is what happens without a `conflict` function.
 */
export function mergeMembers({ base, mine, theirs }: Conflict): Data | null {
  if (!mine || !theirs) return theirs;
  const merged = { ...theirs };
  for (const name of new Set([...Object.keys(mine), ...Object.keys(base ?? {})])) {
    if (same(mine[name], base?.[name]) || !same(theirs[name], base?.[name])) continue;
    if (name in mine) merged[name] = mine[name];
    else delete merged[name];
  }
  return merged;
}
