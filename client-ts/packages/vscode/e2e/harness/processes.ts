/** Child processes whose first line of output says that they are ready, and that end for certain. */

import { spawn, type ChildProcess } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

const END_TIMEOUT_MS = 10_000;

/** A process that leads a group of its own. */
export class Group {
  readonly #closed: Promise<void>;

  constructor(readonly child: ChildProcess) {
    this.#closed = new Promise((resolve) => child.once("close", () => resolve()));
  }

  static start(command: string, args: readonly string[], environment: Readonly<Record<string, string>>): Group {
    return new Group(spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: environment, detached: true }));
  }

  /** Resolve with the first line of output that `pick` takes; reject with the output if the process ends before. */
  async line<T>(pick: (line: string) => T | undefined): Promise<T> {
    const { stdout, stderr } = this.child;
    if (!stdout || !stderr) throw new Error("the process has no output");
    const tail = lastWords(stderr);
    const lines: string[] = [];
    for await (const line of createInterface({ input: stdout })) {
      const picked = pick(line);
      if (picked !== undefined) {
        stdout.resume(); // what follows is not read; a full pipe would stop the process
        return picked;
      }
      lines.push(line);
    }
    throw new Error(`the process ended before it was ready:\n${lines.slice(-20).join("\n")}\n${tail()}`);
  }

  /** Close its input and wait until it ends. */
  async close(): Promise<void> {
    this.child.stdin?.end();
    await this.#closed;
  }

  /** End the whole group. */
  async kill(): Promise<void> {
    const { pid, exitCode, signalCode } = this.child;
    if (pid !== undefined && exitCode === null && signalCode === null) process.kill(-pid, "SIGKILL");
    await this.#closed;
  }
}

function lastWords(stream: Readable): () => string {
  let text = "";
  stream.setEncoding("utf8").on("data", (piece: string) => {
    text = (text + piece).slice(-4000);
  });
  return () => text;
}

/** The processes, by id, whose command line names this text. Linux only. */
export async function processesNaming(text: string): Promise<Map<number, string>> {
  const found = new Map<number, string>();
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const command = (await readFile(`/proc/${entry}/cmdline`, "utf8").catch(() => "")).replaceAll("\0", " ");
    if (command.includes(text)) found.set(Number(entry), command);
  }
  return found;
}

/** Wait until no process names this text; reject with those that remain. */
export async function untilNoneNames(text: string): Promise<void> {
  const endsAt = Date.now() + END_TIMEOUT_MS;
  for (;;) {
    const left = await processesNaming(text);
    if (left.size === 0) return;
    if (Date.now() > endsAt) throw new Error(`processes are left: ${[...left.values()].join("; ")}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
