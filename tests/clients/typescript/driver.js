// Runs what a test asks for beside the package, in Node and in a page: `open` makes an app, `apps` has them by name.

export const apps = {};
export const heard = {};
/** What each app's token callback returns; a test puts others in their place. */
export const tokens = {};
export let client;

export function use(module, storages) {
  client = module;
  Object.assign(kinds, storages);
}
const memories = new Map();
const kinds = {
  memory: (name) => {
    const kept = memories.get(name) ?? client.memory();
    if (name) memories.set(name, kept);
    return kept;
  },
};

/** Make an app of to-dos and notes, and listen to all that it tells. */
export function open(name, { url, key, token, storage, ...options }) {
  if (token !== undefined) tokens[name] = token;
  heard[name] = { conflict: [], rejected: [], reset: [], signedOut: [], asked: 0 };
  apps[name] = client.createSync({
    url,
    key,
    token: async () => {
      heard[name].asked++;
      return tokens[name];
    },
    types: { todo: client.entity(), note: client.entity() },
    storage: kinds[storage?.kind ?? "memory"](storage?.name),
    pace: { firstRetryMs: 20, mostRetryMs: 300, pollMs: 200 },
    ...options,
  });
  for (const event of ["conflict", "rejected", "reset", "signedOut"]) {
    apps[name].on(event, (value) => heard[name][event].push(value ? { ...value } : null));
  }
}

/** End all apps, and forget what was kept in memory. */
export async function reset() {
  await Promise.all(Object.values(apps).map((app) => app.stop()));
  for (const made of [apps, heard, tokens]) for (const name of Object.keys(made)) delete made[name];
  memories.clear();
}

/** All entities of an app by type and id. */
export function shown(name) {
  const all = {};
  for (const type of ["todo", "note"]) {
    for (const { id, ...data } of apps[name].collection(type).list()) all[`${type}/${id}`] = data;
  }
  return all;
}

export function status(name) {
  const { phase, pending, leader, error, progress } = apps[name].status;
  return { phase, pending, leader, error: error?.code, progress };
}

/** Wait until something holds: it is looked at whenever an app tells anything. */
export async function until(holds, name) {
  for (;;) {
    if (await holds()) return;
    await new Promise((resolve) => {
      const stops = [];
      const go = () => {
        for (const stop of stops) stop();
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(go, 50);
      if (name) stops.push(apps[name].on("status", go));
    });
  }
}

const scope = { apps, heard, tokens, open, reset, shown, status, until };
const AsyncFunction = (async () => {}).constructor;

/** Run the text of a function's body; `args` is there by its names. Returns what is JSON of its result. */
export async function run(code, args = {}) {
  const names = { ...scope, client, kinds, ...args };
  const result = await new AsyncFunction(...Object.keys(names), code)(...Object.values(names));
  return result === undefined ? null : result;
}
