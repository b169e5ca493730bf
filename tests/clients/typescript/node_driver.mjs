// Takes calls as lines of JSON on standard input, and answers them on standard output.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, driver] = process.argv.slice(2).map((path) => pathToFileURL(path).href);
const client = await import(`${folder}/index.js`);
const { file } = await import(`${folder}/node.js`);
const { run, use } = await import(driver);

use(client, { file });
for await (const line of createInterface({ input: process.stdin })) {
  const { id, code, args } = JSON.parse(line);
  run(code, args).then(
    (result) => process.stdout.write(`${JSON.stringify({ id, result })}\n`),
    (error) => process.stdout.write(`${JSON.stringify({ id, error: String(error?.stack ?? error), code: error?.code })}\n`),
  );
}
process.exit();
