/** The real daemon behind a `DaemonService`, and the sandbox in place of providers. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";

import type { Client, KeyInfo } from "@byokd/client";

import { Daemon } from "../src/daemon/service.js";

const PYTHON = process.env["BYOKD_PYTHON"] ?? "";
export const SKIP = PYTHON ? false : "BYOKD_PYTHON is not set";
export const LIMIT = { timeout: 120_000, skip: SKIP };
export const KEY = "sandbox-key-0123456789abcdef";

/** Run the sandbox until the test ends; return its origin. */
export async function sandbox(t: TestContext): Promise<string> {
  const child = spawn(PYTHON, ["-I", "-X", "utf8", "-m", "byokd.sandbox"], { stdio: ["pipe", "pipe", "inherit"] });
  const closed = once(child, "close");
  t.after(() => (child.stdin.end(), closed));
  for await (const line of createInterface(child.stdout)) {
    const { origin }: { origin: string } = JSON.parse(line);
    return origin;
  }
  throw new Error("the sandbox ended before it was ready");
}

/** A daemon with an empty store that lasts as long as the test, and its vault in a key file. */
export async function daemonOf(t: TestContext): Promise<{ daemon: Daemon; client: Client }> {
  const dataDir = await mkdtemp(join(tmpdir(), "byokd-vscode-"));
  const args = ["-I", "-X", "utf8", "-m", "byokd.testing", "--stdio", "--data-dir", dataDir];
  const daemon = new Daemon({
    settings: () => ({ executable: undefined, configFile: undefined, account: "default" }),
    find: () => Promise.resolve({ program: { command: PYTHON, args, place: "path" } }),
    offerInstall: () => Promise.resolve(false),
    clientInfo: { name: "vscode", version: "0.1.0" },
    onStderr: () => {},
  });
  t.after(async () => {
    await daemon.dispose();
    await rm(dataDir, { recursive: true });
  });
  const client = await daemon.client();
  await client.vault.initialize({ protection: "keyFile", acceptRisk: "keyFile" });
  return { daemon, client };
}

/** Store a key of this provider for the sandbox; `path` is that of the provider's base URL. */
export async function storeKey(client: Client, origin: string, provider: string, path: string, apiKey = KEY): Promise<KeyInfo> {
  const { key } = await client.storeKey({ provider, apiKey, baseUrl: `${origin}/as/${provider}${path}` });
  if (!key) throw new Error(`the sandbox does not accept the key of ${provider}`);
  return key;
}
