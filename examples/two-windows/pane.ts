/** One window: a list of its own device, its wire, its outbox, and what it says of catching up. */

import { createSync, entity, indexedDb, type Entity, type Outgoing, type Sync } from "@syncline/client";
import { element } from "./dom.js";
import { Wire } from "./wire.js";

interface Todo {
  title: string;
  done: boolean;
  at: number;
}

type Todos = { todo: ReturnType<typeof entity<Todo>> };

/** Who opens a window, and with what. */
export interface Link {
  readonly key: string;
  readonly token: string;
}

/** What was so when the wire was mended. */
interface Mended {
  readonly at: number;
  /** How many changes waited. */
  readonly waited: number;
  /** What each item looked like, by its id. */
  readonly shown: ReadonlyMap<string, string>;
}

const VERBS = { create: "add", update: "change", delete: "delete" };
const PHASES = { live: "live", catchingUp: "catching up", connecting: "connecting", offline: "offline", stopped: "stopped" };

export class Pane {
  readonly view = element("section", { class: "window" });
  readonly #wire = new Wire();
  readonly #sync: Sync<Todos>;
  readonly #phase = element("span", { class: "phase", role: "status" });
  readonly #button = element("button", { class: "cut", type: "button" }, "Cut the wire");
  readonly #list = element("ul", { class: "todos" });
  readonly #outbox = element("ol", { class: "outbox" });
  readonly #note = element("p", { class: "note", role: "status" });
  #mended: Mended | undefined;

  /** `storage` names where this device keeps everything; `signedOut` hears that the link is no longer good. */
  constructor(title: string, storage: string, link: Link, signedOut: () => void) {
    this.#sync = createSync({
      url: location.origin,
      key: link.key,
      token: () => Promise.resolve(link.token),
      types: { todo: entity<Todo>() },
      storage: indexedDb(storage),
      fetch: this.#wire.fetch,
      pace: { firstRetryMs: 500, mostRetryMs: 5_000 },
    });
    this.#lay(title);
    this.#sync.todo.subscribe((todos) => this.#show(todos), { orderBy: "at" });
    this.#sync.on("status", () => this.#tell());
    this.#sync.on("conflict", ({ mine, theirs }) => this.#told(mine, theirs));
    this.#sync.on("signedOut", signedOut);
    this.#tell();
  }

  #lay(title: string): void {
    const input = element("input", { name: "title", placeholder: "What is to be done?", autocomplete: "off", maxlength: "200" });
    input.setAttribute("aria-label", `New item in ${title}`);
    const form = element("form", {}, input, element("button", {}, "Add"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = input.value.trim();
      if (text) void this.#sync.todo.create({ title: text, done: false, at: Date.now() });
      input.value = "";
    });
    this.#button.addEventListener("click", () => this.#switch());
    const bar = element("header", {}, element("h2", {}, title), this.#phase, this.#button);
    this.view.append(bar, form, this.#list, this.#outbox, this.#note);
  }

  /** Cut the wire, or mend it and begin to count. */
  #switch(): void {
    if (this.#wire.isCut) {
      this.#mended = { at: performance.now(), waited: this.#sync.status.pending, shown: this.#shown() };
      this.#wire.mend();
      this.#say("");
    } else {
      this.#wire.cut();
      this.#mended = undefined;
      this.#say("The wire is cut. What you type is kept on this device.");
    }
    this.#tell();
  }

  #show(todos: readonly Entity<Todo>[]): void {
    const waiting = new Set(this.#sync.outbox.flatMap(({ changes }) => changes.map(({ id }) => id)));
    this.#list.replaceChildren(...todos.map((todo) => this.#row(todo, waiting.has(todo.id))));
    if (!todos.length) this.#list.append(element("li", { class: "empty" }, "Nothing to do yet."));
  }

  #row(todo: Entity<Todo>, waits: boolean): HTMLLIElement {
    const box = element("input", { type: "checkbox" });
    box.checked = todo.done;
    box.addEventListener("change", () => void this.#sync.todo.update(todo.id, { done: box.checked }));
    const title = element("span", { class: "title" }, todo.title);
    const remove = element("button", { type: "button", class: "remove", title: "Delete" }, "×");
    remove.setAttribute("aria-label", `Delete ${todo.title}`);
    remove.addEventListener("click", () => void this.#sync.todo.delete(todo.id));
    const mark = waits ? [element("span", { class: "waits" }, "waits")] : [];
    return element("li", { class: todo.done ? "done" : "" }, element("label", {}, box, title), ...mark, remove);
  }

  #tell(): void {
    const { phase, pending } = this.#sync.status;
    this.view.dataset["phase"] = this.#wire.isCut ? "cut" : phase;
    this.#phase.textContent = this.#wire.isCut ? "wire cut" : PHASES[phase];
    this.#button.textContent = this.#wire.isCut ? "Mend the wire" : "Cut the wire";
    this.#show(this.#sync.todo.list({ orderBy: "at" }));
    this.#showOutbox(this.#sync.outbox);
    if (this.#mended && phase === "live" && !pending) this.#caughtUp(this.#mended);
  }

  #showOutbox(outbox: readonly Outgoing[]): void {
    const changes = outbox.flatMap((entry) => entry.changes);
    const lines = changes.map(({ action, id, data }) => {
      const title = data?.["title"] ?? this.#sync.todo.get(id)?.title ?? "an item";
      return element("li", {}, `${VERBS[action]} “${String(title)}”`);
    });
    this.#outbox.replaceChildren(...lines);
    this.#outbox.hidden = !lines.length;
    this.#outbox.setAttribute("aria-label", `Outbox: ${lines.length} changes wait`);
    this.#outbox.dataset["label"] = `Outbox · ${lines.length} ${lines.length === 1 ? "change waits" : "changes wait"}`;
  }

  /** What each item looks like now, by its id. */
  #shown(): ReadonlyMap<string, string> {
    return new Map(this.#sync.todo.list().map((todo) => [todo.id, JSON.stringify(todo)]));
  }

  /** What waited here was shown here already, so whatever looks different came from elsewhere. */
  #caughtUp({ at, waited, shown }: Mended): void {
    this.#mended = undefined;
    const now = this.#shown();
    const received = [...new Set([...shown.keys(), ...now.keys()])].filter((id) => shown.get(id) !== now.get(id));
    const ms = Math.round(performance.now() - at);
    this.#say(`Caught up in ${ms} ms: ${waited} sent, ${received.length} received.`);
  }

  #told(mine: object | null, theirs: object | null): void {
    const { title } = (mine ?? theirs ?? { title: "An item" }) as Todo;
    this.#say(`“${title}” was changed on both sides; ${mine && theirs ? "both changes were merged" : "it is deleted"}.`);
  }

  #say(text: string): void {
    this.#note.textContent = text;
  }
}
