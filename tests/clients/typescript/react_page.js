// A component that shows to-dos by the hooks, as an app would have it.
import { Suspense, createElement as h } from "react";
import { createRoot } from "react-dom/client";
import { SyncProvider, useCollection, useEntity, useSyncStatus } from "@syncline/client/react";

function Open({ sync }) {
  const { data, status } = useCollection(sync.todo, { where: (todo) => !todo.done, orderBy: "title", suspense: true });
  return h("ul", { "data-status": status }, data.map(({ id, title }) => h("li", { key: id }, title)));
}

function First({ sync }) {
  const [todo, update] = useEntity(sync.todo, "first");
  return h("button", { onClick: () => update({ done: true }) }, todo ? `${todo.title} ${todo.done}` : "none");
}

function Pending() {
  const { phase, pending } = useSyncStatus();
  return h("output", null, `${phase} ${pending}`);
}

globalThis.show = (sync, element) => {
  createRoot(element).render(
    h(SyncProvider, { sync }, h(Suspense, { fallback: "…" }, h(Open, { sync })), h(First, { sync }), h(Pending)),
  );
};
