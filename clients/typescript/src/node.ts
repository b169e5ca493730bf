/** What needs Node: storage in a file. */

import { open, readFile, rename, mkdir, rm, type FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import type { Storage, Store, Write } from "./storage/storage.js";

/**
 * Keep everything in a file of this path for each user: a journal, one JSON line for each write, which is written anew
 * when it is opened. One process at a time may use it.
 */
export function file(path: string): Storage {
  return {
    async open(name) {
      const fullPath = name ? `${path}.${encodeURIComponent(name)}` : path;
      await mkdir(dirname(fullPath), { recursive: true });
      const kept = await read(fullPath);
      return new FileStore(fullPath, kept, await rewritten(fullPath, kept));
    },
  };
}

class FileStore implements Store {
  #last: Promise<void> = Promise.resolve();

  constructor(
    private readonly path: string,
    private kept: Map<string, unknown> | undefined,
    private journal: FileHandle,
  ) {}

  async load(): Promise<Iterable<Write>> {
    const kept = this.kept ?? (await read(this.path));
    this.kept = undefined; // it is read once, and not needed in memory twice
    return kept;
  }

  write(writes: readonly Write[], lasting: boolean): Promise<void> {
    const line = `${JSON.stringify(writes)}\n`;
    this.kept = undefined;
    return this.#inTurn(async () => {
      const { size } = await this.journal.stat();
      try {
        await this.journal.appendFile(line);
        if (lasting) await this.journal.datasync();
      } catch (error) {
        await this.journal.truncate(size); // half a line would spoil the next one
        throw error;
      }
    });
  }

  clear(): Promise<void> {
    return this.#inTurn(async () => {
      await this.journal.close();
      await rm(this.path, { force: true });
      this.journal = await open(this.path, "a", 0o600);
    });
  }

  async close(): Promise<void> {
    await this.#inTurn(() => this.journal.close());
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}

/** Read a journal; a last line that was torn by a crash was never acknowledged, and is left out. */
async function read(path: string): Promise<Map<string, unknown>> {
  const kept = new Map<string, unknown>();
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  for (const line of text.slice(0, text.lastIndexOf("\n") + 1).split("\n")) {
    if (!line) continue;
    for (const [key, value] of JSON.parse(line) as [string, unknown][]) {
      if (value === undefined || value === null) kept.delete(key);
      else kept.set(key, value);
    }
  }
  return kept;
}

async function rewritten(path: string, kept: Map<string, unknown>): Promise<FileHandle> {
  const beside = await open(`${path}.new`, "w", 0o600);
  if (kept.size) await beside.writeFile(`${JSON.stringify([...kept])}\n`);
  await beside.datasync();
  await beside.close();
  await rename(`${path}.new`, path);
  return open(path, "a", 0o600);
}
