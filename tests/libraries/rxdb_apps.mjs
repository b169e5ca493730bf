// Apps as people write them with RxDB, by name; tests run what they ask for beside them, in Node and in a page.
import { addRxPlugin, createRxDatabase, deepEqual } from "rxdb";
import { RxDBUpdatePlugin } from "rxdb/plugins/update";
import { getRxStorageMemory } from "rxdb/plugins/storage-memory";
import { wrappedValidateAjvStorage } from "rxdb/plugins/validate-ajv";
import { createRxDatabase as createRxDatabase15 } from "rxdb-15";
import { getRxStorageMemory as getRxStorageMemory15 } from "rxdb-15/plugins/storage-memory";
import { replicateServer } from "rxdb-server/plugins/replication-server";
import { syncline } from "./made/syncline.js";

addRxPlugin(RxDBUpdatePlugin);

export const apps = {};
/** What pages keep over reloads, and Node for as long as it runs. */
export const kept = { handlers: getRxStorageMemory(), replicateServer: getRxStorageMemory15() };

const schema = (version) => ({
  version,
  primaryKey: "id",
  type: "object",
  required: ["id"],
  properties: {
    id: { type: "string", maxLength: 128 },
    title: { type: "string" },
    n: { type: "number" },
    done: { type: "boolean" },
  },
});

const merged = ({ realMasterState: theirs, newDocumentState: mine, assumedMasterState: base }) => ({
  ...mine,
  _deleted: theirs._deleted || mine._deleted,
  n: (theirs.n ?? 0) + (mine.n ?? 0) - (base?.n ?? 0),
});
const merging = { isEqual: deepEqual, resolve: merged };
const merging15 = async (input, context) => {
  const isEqual = deepEqual(input.realMasterState, input.newDocumentState);
  // RxDB 15 asks one function both questions; an equal edit of another is a conflict, too.
  const resolves = context === "replication-resolve-conflict";
  return isEqual && !resolves ? { isEqual } : { isEqual: false, documentData: merged(input) };
};

/** Open an app with a collection of to-dos that syncs; `headers` are its credentials, and may be replaced later. */
export async function open(name, { client, base, headers, merges, validates, collection = "todo", version = 0, ...rest }) {
  const app = { headers, errors: [], told: [], stored: rest.stored ?? name };
  const isHandlers = client === "handlers";
  const storage = validates ? wrappedValidateAjvStorage({ storage: kept[client] }) : kept[client];
  const create = isHandlers ? createRxDatabase : createRxDatabase15;
  const multiInstance = rest.multiInstance ?? false;
  app.database = await create({ name: app.stored, storage, multiInstance });
  const conflictHandler = merges ? (isHandlers ? merging : merging15) : undefined;
  const made = await app.database.addCollections({ [collection]: { schema: schema(version), conflictHandler } });
  app.docs = made[collection];
  app.sync = isHandlers
    ? syncline(app.docs, base, () => app.headers, 100)
    : await servedBy(app, `${base}/rxdb/${collection}/${version}`, rest.eventSource);
  app.sync.error$.subscribe((error) => app.errors.push(said(error)));
  apps[name] = app;
}

async function servedBy(app, url, eventSource) {
  const state = await replicateServer({
    collection: app.docs, replicationIdentifier: url, url, headers: app.headers, retryTime: 100, eventSource, push: {}, pull: {},
  });
  for (const name of ["outdatedClient$", "unauthorized$", "forbidden$"]) state[name].subscribe(() => app.told.push(name));
  return state;
}

function said(error) {
  const inner = error.parameters?.errors?.map((one) => one.message ?? String(one)).join() ?? "";
  return `${error.code}: ${inner}`;
}

/** Everything that an app shows, by id. */
export async function shown(name) {
  const found = await apps[name].docs.find().exec();
  return Object.fromEntries(found.map((one) => one.toJSON()).map(({ id, ...members }) => [id, members]));
}

/** Wait until something holds. */
export async function until(holds) {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** Wait until all apps show this. */
export async function untilShown(expected, ...names) {
  for (const name of names) await until(async () => deepEqual(await shown(name), expected));
}

/** Wait until all that was written here has been answered. */
export async function synced(name) {
  await apps[name].sync.awaitInSync();
}

export async function close(name) {
  const { database } = apps[name];
  delete apps[name];
  await (database.close?.() ?? database.destroy()); // RxDB 17, RxDB 15
}

/** End all apps. */
export async function reset() {
  for (const name of Object.keys(apps)) await close(name);
}

const scope = { apps, kept, open, close, reset, shown, synced, until, untilShown };
const AsyncFunction = (async () => {}).constructor;

/** Run the text of a function's body; `args` is there by its names. Returns what is JSON of its result. */
export async function run(code, args = {}) {
  const names = { ...scope, ...args };
  const result = await new AsyncFunction(...Object.keys(names), code)(...Object.values(names));
  return result === undefined ? null : result;
}
