// gRPC in pure JavaScript, with the contract loaded at run time: what most programs on Node use.
import { Metadata, credentials, loadPackageDefinition, status } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const { ADDRESS, PROTOS, KEY, TOKEN } = process.env;
const contract = loadSync("syncline/v1/sync.proto", { includeDirs: [PROTOS], longs: Number, enums: String });
const { SyncService } = loadPackageDefinition(contract).syncline.v1;
const client = new SyncService(ADDRESS, credentials.createInsecure());

const who = new Metadata();
who.set("x-api-key", KEY);
who.set("authorization", `Bearer ${TOKEN}`);

const call = (method, request, metadata = who) =>
  new Promise((resolve, reject) =>
    client[method](request, metadata, { deadline: Date.now() + 20_000 }, (error, answer) =>
      error ? reject(error) : resolve(answer),
    ),
  );
const told = async (attempt) => {
  try {
    await attempt;
  } catch (error) {
    const [details] = error.metadata.get("grpc-status-details-bin");
    const reason = details?.toString("latin1").match(/[A-Z]+_[A-Z_]+/)?.[0];
    return { code: status[error.code], message: error.details, reason };
  }
};
const say = (value) => console.log(JSON.stringify(value));
const shown = ({ entityId, data, revision }) => ({ entityId, data: JSON.parse(data), revision });

const change = { entityType: "todo", entityId: "milk", action: "ACTION_CREATE", data: Buffer.from('{"title":"Milk 🥛"}') };
const pushed = await call("Push", { changes: [change], pushId: "grpc-js-1" });
say(pushed.results[0].outcome);
const again = await call("Push", { changes: [change], pushId: "grpc-js-1" });
say(again.results[0].replayed);
const pulled = await call("Pull", { entityTypes: ["todo"] });
say(pulled.changes.map(shown));

const stream = client.StreamPull({ entityTypes: ["todo"], follow: true }, who);
let read = [];
for await (const message of stream) {
  read = read.concat(message.changes.map(shown));
  if (message.caughtUp) break;
}
stream.cancel();
say(read);

const pushes = client.PushStream(who);
const answered = new Promise((resolve, reject) => {
  pushes.on("data", (answers) => resolve(answers));
  pushes.on("error", reject);
});
pushes.write({ pushes: [{ changes: [{ ...change, entityId: "eggs" }] }] });
pushes.end();
say(await answered);

say(await told(call("Pull", { entityTypes: ["no type"] })));
say(await told(call("Pull", {}, new Metadata())));
client.close();
