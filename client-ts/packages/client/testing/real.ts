/**
 * The real daemon and the sandbox as provider, each in its own process.
 *
 * `BYOKD_PYTHON` names the Python that has byokd. Without it the tests that need these are skipped.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";

import { Client, type Chat, type ChatParams, type ProviderInfo, type StartOptions } from "../src/index.js";

const PYTHON = process.env["BYOKD_PYTHON"];
export const SKIP = PYTHON ? false : "BYOKD_PYTHON is not set";
export const KEY = "sandbox-key-0123456789abcdef";
export const BAD_KEY = "sandbox-bad-0123456789abcdef";
/** Much longer than a shutdown takes, so that the tests do not depend on the speed of the machine. */
const GRACE_MS = 120_000;

/** Run the sandbox until the test ends; return its base URL. It ends when its stdin is closed. */
export async function sandbox(t: TestContext): Promise<string> {
  const args = ["-I", "-X", "utf8", "-m", "byokd.sandbox", "--port", "0", "--key", KEY];
  const child = spawn(PYTHON ?? "", args, { stdio: ["pipe", "pipe", "inherit"] });
  const gone = new Promise((resolve) => child.once("close", resolve));
  t.after(() => (child.stdin.end(), gone));
  for await (const line of createInterface(child.stdout)) {
    const { baseUrl }: { baseUrl: string } = JSON.parse(line);
    return baseUrl;
  }
  throw new Error("the sandbox ended before it was ready");
}

/** Start a daemon with an empty store that lasts as long as the test. */
export async function started(t: TestContext, options: StartOptions = {}): Promise<Client> {
  const dataDir = await mkdtemp(join(tmpdir(), "byokd-ts-"));
  const client = await Client.start({
    command: PYTHON ?? "",
    args: ["-I", "-X", "utf8", "-m", "byokd.testing", "--stdio"],
    dataDir,
    clientInfo: { name: "client-ts" },
    graceMs: GRACE_MS,
    startTimeoutMs: GRACE_MS,
    ...options,
  });
  t.after(async () => {
    await client.close();
    await rm(dataDir, { recursive: true });
  });
  const protection = options.restart ? "keyFile" : "memory"; // a daemon that is started again opens the vault
  await client.vault.initialize({ protection, acceptRisk: protection });
  return client;
}

/** Return the provider without a base URL of its own; the sandbox is reached through it. */
export async function generic(client: Client): Promise<ProviderInfo> {
  const { items } = await client.provider.list();
  const match = items.find((item) => item.kind === "singleField" && item.baseUrlRequired && !item.baseUrl);
  assert.ok(match, "there is a provider without a base URL of its own");
  return match;
}

/** Start a sandbox and a daemon with a stored key; `ask` starts a chat. */
export async function ready(t: TestContext, options?: StartOptions): Promise<{ client: Client; provider: string; ask: Ask }> {
  const [baseUrl, client] = await Promise.all([sandbox(t), started(t, options)]);
  const { id: provider } = await generic(client);
  const { probe } = await client.storeKey({ provider, apiKey: KEY, baseUrl });
  assert.equal(probe?.verdict, "valid");
  const ask: Ask = (model, content, more = {}, signal) =>
    client.chat(
      { provider, model, messages: [{ role: "user", content }], ...more },
      signal ? { signal } : {},
    );
  return { client, provider, ask };
}

export type Ask = (model: string, content: string, more?: Partial<ChatParams>, signal?: AbortSignal) => Chat;

