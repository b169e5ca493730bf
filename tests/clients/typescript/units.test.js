// Parts of the package by themselves.
import assert from "node:assert/strict";
import { test } from "node:test";

const load = (name) => import(`${process.env.PACKAGE}/${name}.js`);
const { ServerClock } = await load("clock");
const { mergeMembers } = await load("conflict");
const { same } = await load("model");
const { parser } = await load("stream");
const { Backoff, Bell } = await load("waiting");
const { Collection } = await load("collection");
const { Replica, versionWrite } = await load("replica");

test("events are read from whatever pieces they come in", () => {
  const text = ': hello\nretry: 1000\nid: a\ndata: {"n":1}\n\nevent: closed\r\ndata: x\r\ndata: y\r\n\r\ndata: rest';
  const whole = [
    { name: "message", data: '{"n":1}' },
    { name: "closed", data: "x\ny" },
  ];
  assert.deepEqual(parser()(text), whole);
  const read = parser();
  assert.deepEqual([...text].flatMap((character) => read(character)), whole);
});

test("a clock that may well agree with the server's is left alone", () => {
  const clock = new ServerClock();
  const now = Date.UTC(2026, 0, 1, 0, 0, 0, 400);
  clock.heard("Thu, 01 Jan 2026 00:00:00 GMT", now, now + 50);
  assert.equal(clock.aheadMs, 0);
});

test("what a clock is off by is learnt more closely with each answer", () => {
  const clock = new ServerClock();
  const off = 3_600_000;
  for (let tenth = 0; tenth < 40; tenth++) {
    const server = Date.UTC(2026, 0, 1) + tenth * 130;
    clock.heard(new Date(server).toUTCString(), server - off - 20, server - off + 20);
  }
  assert.ok(Math.abs(clock.aheadMs - off) < 80, `${clock.aheadMs}`);
});

test("a clock that is set while the app runs is learnt anew", () => {
  const clock = new ServerClock();
  const server = Date.UTC(2026, 0, 1);
  const date = new Date(server).toUTCString();
  clock.heard(date, server - 5_000, server - 5_000);
  clock.heard(date, server + 60_000, server + 60_000);
  assert.ok(clock.aheadMs < -58_000);
});

test("an answer without a date teaches nothing", () => {
  const clock = new ServerClock();
  clock.heard(null, 0, 1);
  clock.heard("nonsense", 0, 1);
  assert.equal(clock.aheadMs, 0);
});

test("of each member what one side alone has changed is taken, of both theirs", () => {
  const base = { a: 1, b: 1, c: 1, gone: 1, theirs: 1 };
  const mine = { a: 2, b: 2, c: 1, theirs: 1, mineNew: [1] };
  const theirs = { a: 1, b: 3, c: 4, gone: 1, theirNew: {} };
  const merged = mergeMembers({ type: "todo", id: "a", base, mine, theirs });
  assert.deepEqual(merged, { a: 2, b: 3, c: 4, mineNew: [1], theirNew: {} });
});

test("JSON values are the same whatever the order of their members", () => {
  assert.ok(same({ a: [1, { b: null }], c: 2 }, { c: 2, a: [1, { b: null }] }));
  for (const other of [{ a: [1] }, { a: { 0: 1, 1: 2 } }, { a: [1, 2], b: 1 }, null, []]) {
    assert.ok(!same({ a: [1, 2] }, other), JSON.stringify(other));
  }
});

test("pauses grow to the longest, and are never the same for all", () => {
  const pauses = Array.from({ length: 200 }, () => {
    const backoff = new Backoff(100, 1_000);
    return Array.from({ length: 6 }, () => backoff.next());
  });
  for (const [first, , , , , last] of pauses) {
    assert.ok(first >= 50 && first <= 100);
    assert.ok(last >= 500 && last <= 1_000);
  }
  assert.ok(new Set(pauses.map(([first]) => first)).size > 100);
});

test("who waits for a bell goes on with the next ring, or after its time", async () => {
  const bell = new Bell();
  const waiting = [bell.wait(), bell.wait(60_000)];
  bell.ring();
  await Promise.all(waiting);
  await bell.wait(1);
});

test("a list is chosen and ordered as a query says, and is the same until something changes", () => {
  const items = new Map(["b", "c", "a"].map((id, n) => [id, { id, n, done: n === 1 }]));
  let changed;
  const todos = new Collection("todo", { items: () => items, onChange: (_, listener) => (changed = listener) });
  const ids = (query) => todos.list(query).map(({ id }) => id);
  assert.deepEqual(ids({ orderBy: "n", descending: true }), ["a", "c", "b"]);
  assert.deepEqual(ids({ where: ({ done }) => !done, orderBy: "id", limit: 1 }), ["a"]);
  assert.deepEqual(ids({ orderBy: (one, other) => Number(one.done) - Number(other.done) }), ["a", "b", "c"]);
  assert.equal(todos.list(), todos.list());
  const before = todos.list();
  items.delete("a");
  changed();
  assert.notEqual(todos.list(), before);
});

test("what is taken while a store is being read is not lost", async () => {
  const replica = new Replica();
  const version = (id) => ({ type: "todo", id, revision: 1, data: { id }, reading: 0 });
  let loaded;
  const load = () => new Promise((resolve) => (loaded = () => resolve([versionWrite("todo/a", version("a"))])));
  const opening = replica.open({ load, write: async () => undefined });
  await new Promise((resolve) => setImmediate(resolve));
  replica.take([versionWrite("todo/b", version("b"))]);
  loaded();
  await opening;
  assert.deepEqual([...replica.items("todo").keys()], ["a", "b"]);
});
