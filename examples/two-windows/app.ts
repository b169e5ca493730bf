/** The page: it reads the link that it was opened by, and opens two windows. */

import { byId } from "./dom.js";
import { Pane, type Link } from "./pane.js";

/** Read key and token from a fragment, which a browser sends to no server. */
function linkOf(fragment: string): Link | undefined {
  const given = new URLSearchParams(fragment.replace(/^#/, ""));
  const [key, token] = [given.get("key"), given.get("token")];
  return key && token ? { key, token } : undefined;
}

function ask(why?: string): void {
  byId("windows").replaceChildren();
  byId("link").hidden = false;
  if (why) byId("why").textContent = why;
}

function open(link: Link): void {
  // What this browser keeps of one server is not another one's: the third part of a key is its id.
  const store = `syncline-demo/${link.key.split("_")[2]}`;
  const ended = (): void => ask("The link is no longer good: it was made for a day, or for another server.");
  for (const [name, title] of [
    ["left", "Window A"],
    ["right", "Window B"],
  ] as const) {
    byId("windows").append(new Pane(title, `${store}/${name}`, link, ended).view);
  }
}

byId<HTMLFormElement>("link").addEventListener("submit", (event) => {
  event.preventDefault();
  const pasted = String(new FormData(event.target as HTMLFormElement).get("link"));
  location.hash = pasted.slice(pasted.indexOf("#") + 1);
});
addEventListener("hashchange", () => location.reload());

const link = linkOf(location.hash);
if (link) open(link);
else ask();
