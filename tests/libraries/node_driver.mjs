// Takes calls as lines of JSON on standard input, and answers them on standard output.
import { createInterface } from "node:readline";

const { run } = await import(process.argv[2]);

for await (const line of createInterface({ input: process.stdin })) {
  const { id, code, args } = JSON.parse(line);
  run(code, args).then(
    (result) => process.stdout.write(`${JSON.stringify({ id, result })}\n`),
    (error) => process.stdout.write(`${JSON.stringify({ id, error: String(error?.stack ?? error), code: error?.code })}\n`),
  );
}
process.exit();
