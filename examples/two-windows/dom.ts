/** Elements of the page, made and found. */

type Attributes = Readonly<Record<string, string | boolean | (() => void)>>;

/** Make an element: a function is called on `click`, text stays text. */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...content: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener("click", value);
    else if (typeof value === "boolean") made.toggleAttribute(key, value);
    else made.setAttribute(key, value);
  }
  made.append(...content);
  return made;
}

/** Find what the page has by its id. */
export function byId<T extends HTMLElement>(id: string): T {
  return document.getElementById(id) as T;
}
