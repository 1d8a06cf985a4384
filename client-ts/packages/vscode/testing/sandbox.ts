/**
 * The real daemon and the sandbox as provider, each in its own process.
 *
 * `BYOKD_PYTHON` names the Python that has byokd. Without it the tests that need these are skipped.
 */

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";

import { Daemon } from "../src/daemon/service.js";
import type { Program } from "../src/daemon/find.js";

export const KEY = "sandbox-key-0123456789abcdef";
export const BAD_KEY = "sandbox-bad-0123456789abcdef";

const PYTHON = process.env["BYOKD_PYTHON"] ?? "";
export const SKIP = PYTHON ? false : "BYOKD_PYTHON is not set";

/** The daemons of `windows` windows, with one empty store. They end with the test. */
export async function testingDaemons(t: TestContext, windows: number): Promise<Daemon[]> {
  const { program, daemons } = await testingProgram(t);
  daemons.push(...Array.from({ length: windows }, () => daemonOf(() => program)));
  return daemons;
}

/** The program of a daemon with an empty store, which is removed after `daemons` have ended with the test. */
export async function testingProgram(t: TestContext): Promise<{ program: Program; daemons: Daemon[] }> {
  const dataDir = await mkdtemp(join(tmpdir(), "byokd-vscode-"));
  const args = ["-I", "-X", "utf8", "-m", "byokd.testing", "--stdio", "--data-dir", dataDir];
  const daemons: Daemon[] = [];
  t.after(async () => {
    await Promise.all(daemons.map((daemon) => daemon.dispose()));
    await rm(dataDir, { recursive: true });
  });
  return { program: { command: PYTHON, args, place: "path" }, daemons };
}

/** A daemon whose program is the one that `find` returns at the moment. */
export function daemonOf(find: () => Program | undefined): Daemon {
  return new Daemon({
    settings: () => ({ executable: undefined, configFile: undefined, account: "default" }),
    find: async () => {
      const program = find();
      return program ? { program } : { program, message: "byokd is not installed" };
    },
    offerInstall: () => Promise.resolve(false),
    clientInfo: { name: "vscode", version: "0.1.0" },
    onStderr: () => {},
  });
}

/** A running sandbox. It ends with the test. */
export class Sandbox {
  private constructor(readonly baseUrl: string) {}

  static async start(t: TestContext): Promise<Sandbox> {
    const args = ["-I", "-X", "utf8", "-m", "byokd.sandbox", "--port", "0", "--key", KEY];
    const child = spawn(PYTHON, args, { stdio: ["pipe", "pipe", "inherit"] });
    const gone = new Promise((resolve) => child.once("close", resolve));
    t.after(() => (child.stdin.end(), gone));
    for await (const line of createInterface(child.stdout)) {
      const { baseUrl }: { baseUrl: string } = JSON.parse(line);
      return new Sandbox(baseUrl);
    }
    throw new Error("the sandbox ended before it was ready");
  }

  /** Accept the key, or reject it from now on. */
  async control(key: string, valid: boolean): Promise<void> {
    const response = await fetch(new URL("/control/keys", this.baseUrl), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ key, valid }),
    });
    if (!response.ok) throw new Error(`the sandbox answered ${response.status}`);
  }
}
