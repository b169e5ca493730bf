// Node's own fetch.
const { BASE, KEY, TOKEN, BODY } = process.env;
const headers = { "X-Api-Key": KEY, Authorization: `Bearer ${TOKEN}`, "Content-Type": "application/json" };
const ask = (path, more = {}) => fetch(`${BASE}${path}`, { headers, ...more });

console.log(await (await ask("/client/sync", { method: "POST", body: BODY })).text());
console.log(await (await ask("/client/sync?entity_type=todo")).text());

const stop = new AbortController();
const stream = await ask("/client/sync/stream?entity_type=todo", { signal: stop.signal });
let text = "";
for await (const piece of stream.body.pipeThrough(new TextDecoderStream())) {
  text += piece;
  const event = text.match(/^data: (.*)$/m);
  if (event) { console.log(event[1]); break; }
}
stop.abort();

const error = await ask("/client/sync");
console.log(error.status, await error.text());
