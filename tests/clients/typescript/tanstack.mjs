// A live query of TanStack DB over a synced collection; run with the address, key and token of a server.
import assert from "node:assert/strict";
import { createCollection } from "@tanstack/db";
import { createSync, entity } from "@syncline/client";
import { synclineCollectionOptions } from "@syncline/client/tanstack-db";

const [url, key, token] = process.argv.slice(2);
const options = { url, key, token: () => token, types: { todo: entity() } };
const [sync, other] = [createSync(options), createSync(options)];
const todos = createCollection(synclineCollectionOptions({ collection: sync.todo }));
await todos.preload();

await todos.insert({ id: "a", title: "Milk", done: false }).isPersisted.promise;
assert.equal(sync.todo.get("a").title, "Milk");
await todos.update("a", (draft) => void (draft.done = true)).isPersisted.promise;
await sync.flush();
await other.firstSync;
await until(() => other.todo.get("a")?.done);

await other.todo.create({ id: "b", title: "Bread" }).synced;
await until(() => todos.get("b"));
await other.todo.update("b", { title: "Rye" }).synced;
await until(() => todos.get("b").title === "Rye");
await todos.delete("b").isPersisted.promise;
await sync.flush();
await until(() => !other.todo.get("b"));
assert.deepEqual(todos.toArray.map(({ id, title, done }) => ({ id, title, done })), [{ id: "a", title: "Milk", done: true }]);
await Promise.all([sync.stop(), other.stop()]);
console.log("all the same");

async function until(holds) {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 10));
}
