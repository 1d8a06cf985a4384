/**
 * The client with the real daemon and the sandbox as provider, each in its own process.
 *
 * `BYOKD_PYTHON` names the Python that has byokd. Without it these tests are skipped.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test, type TestContext } from "node:test";

import {
  ByokdError,
  Client,
  SCHEMA_HASH,
  type Chat,
  type ChatParams,
  type Message,
  type ProviderInfo,
} from "../src/index.js";

const PYTHON = process.env["BYOKD_PYTHON"];
const SKIP = PYTHON ? false : "BYOKD_PYTHON is not set";
const KEY = "sandbox-key-0123456789abcdef";
const BAD_KEY = "sandbox-bad-0123456789abcdef";
/** Much longer than a shutdown takes, so that the tests do not depend on the speed of the machine. */
const GRACE_MS = 120_000;
const WEATHER = {
  name: "weather",
  description: "Tell the weather in a city.",
  inputSchema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};

/** Run the sandbox until the test ends; return its base URL. It ends when its stdin is closed. */
async function sandbox(t: TestContext): Promise<string> {
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
async function started(t: TestContext): Promise<Client> {
  const dataDir = await mkdtemp(join(tmpdir(), "byokd-ts-"));
  const client = await Client.start({
    command: PYTHON ?? "",
    args: ["-I", "-X", "utf8", "-m", "byokd.testing", "--stdio"],
    dataDir,
    clientInfo: { name: "client-ts" },
    graceMs: GRACE_MS,
  });
  t.after(async () => {
    await client.close();
    await rm(dataDir, { recursive: true });
  });
  await client.vault.initialize({ protection: "memory", acceptRisk: "memory" });
  return client;
}

/** Return the provider without a base URL of its own; the sandbox is reached through it. */
async function generic(client: Client): Promise<ProviderInfo> {
  const { items } = await client.provider.list();
  const match = items.find((item) => item.kind === "singleField" && item.baseUrlRequired && !item.baseUrl);
  assert.ok(match, "there is a provider without a base URL of its own");
  return match;
}

/** Start a sandbox and a daemon with a stored key; `ask` starts a chat. */
async function ready(t: TestContext): Promise<{ client: Client; provider: string; ask: Ask }> {
  const [baseUrl, client] = await Promise.all([sandbox(t), started(t)]);
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

type Ask = (model: string, content: string, more?: Partial<ChatParams>, signal?: AbortSignal) => Chat;

/** Read a chat to its end; return the text of its deltas and the types of its events. */
async function read(chat: Chat): Promise<{ text: string; types: Set<string> }> {
  let text = "";
  const types = new Set<string>();
  for await (const event of chat) {
    types.add(event.type);
    if (event.type === "textDelta") text += event.delta;
  }
  return { text, types };
}

async function textOf(chat: Chat): Promise<string> {
  const { content } = (await chat.result).message;
  return content.map((part) => (part.type === "text" ? part.text : "")).join("");
}

test("the daemon has the schema of these types, and ends with code 0 when it is closed", { skip: SKIP }, async (t) => {
  const client = await started(t);
  assert.equal(client.server.schemaHash, SCHEMA_HASH);
  assert.ok((await client.provider.list()).items.length >= 23);
  await client.close();
  assert.equal((await client.closed)?.code, 0);
});

test("a bad key is refused; a good key is stored and key/changed is sent", { skip: SKIP }, async (t) => {
  const [baseUrl, client] = await Promise.all([sandbox(t), started(t)]);
  const { id: provider } = await generic(client);
  const changed = new Promise<string>((resolve) => client.on("key/changed", (key) => resolve(key.change)));

  await assert.rejects(client.storeKey({ provider, apiKey: BAD_KEY, baseUrl }), (error: unknown) => {
    assert.ok(error instanceof ByokdError);
    assert.equal(error.kind, "keyInvalid");
    return true;
  });
  assert.equal((await client.probeKey({ provider, apiKey: BAD_KEY, baseUrl })).probe.verdict, "invalid");
  const { key, probe } = await client.storeKey({ provider, apiKey: KEY, baseUrl, label: "mine" });
  assert.equal(probe?.verdict, "valid");
  assert.equal(await changed, "stored");
  const rotated = await client.rotateKey({ keyId: key.keyId, apiKey: KEY });
  assert.deepEqual([rotated.key.keyId, rotated.key.label, rotated.key.version], [key.keyId, "mine", 2]);
  assert.deepEqual(
    (await client.key.list()).items.map((item) => item.keyId),
    [key.keyId],
  );
  assert.equal((await client.audit.verify()).ok, true);
});

test("a chat streams reasoning and text that agree with the result", { skip: SKIP }, async (t) => {
  const { ask } = await ready(t);
  const chat = ask("sandbox-reasoning", "How far away is the Moon?", { reasoning: { effort: "low" } });
  const { text, types } = await read(chat);
  for (const type of ["start", "reasoningDelta", "textDelta", "finish"]) assert.ok(types.has(type), type);
  assert.equal(text, await textOf(chat));
  const { finishReason, usage, route } = await chat.result;
  assert.equal(finishReason.unified, "stop");
  assert.ok((usage?.outputText ?? 0) > 0);
  assert.equal(route.attempts, 1);
});

test("a chat without streaming has no events and the same result", { skip: SKIP }, async (t) => {
  const { ask } = await ready(t);
  const whole = ask("sandbox-echo", "hello", { stream: false });
  assert.equal((await read(whole)).types.size, 0);
  assert.equal(await textOf(whole), await textOf(ask("sandbox-echo", "hello")));
});

test("a tool is called and its result is sent back", { skip: SKIP }, async (t) => {
  const { client, provider } = await ready(t);
  const messages: Message[] = [{ role: "user", content: "What is the weather in Lisbon?" }];
  const params = { provider, model: "sandbox-tools", tools: [WEATHER] };
  const first = client.chat({ ...params, messages });
  assert.ok((await read(first)).types.has("toolCallEnd"));
  const { message, finishReason } = await first.result;
  assert.equal(finishReason.unified, "toolCalls");
  const results = message.content
    .filter((part) => part.type === "toolCall")
    .map(({ callId }) => ({ type: "toolResult" as const, callId, content: "18 °C, light wind" }));
  assert.ok(results.length > 0);
  const last = client.chat({ ...params, messages: [...messages, message, { role: "tool", content: results }] });
  assert.equal((await last.result).finishReason.unified, "stop");
});

test("an aborted chat succeeds with finish reason cancelled", { skip: SKIP }, async (t) => {
  const { ask } = await ready(t);
  const abort = new AbortController();
  const chat = ask("sandbox-paced-100hz-100000", "go", {}, abort.signal);
  for await (const event of chat) if (event.type === "textDelta") abort.abort();
  assert.equal((await chat.result).finishReason.unified, "cancelled");
});

test("a failed chat rejects the loop and the result with a typed error", { skip: SKIP }, async (t) => {
  const { ask } = await ready(t);
  const chat = ask("sandbox-cut", "go");
  const isCut = (error: unknown) => error instanceof ByokdError && error.kind === "streamInterrupted";
  await assert.rejects(read(chat), isCut);
  await assert.rejects(chat.result, isCut);
});

test("a key is imported from a variable; key/export is refused to a client", { skip: SKIP }, async (t) => {
  const client = await started(t);
  const source = { type: "variables" as const, variables: { MISTRAL_API_KEY: KEY } };
  const { items, outcomes } = await client.importKeys({ source });
  assert.equal(outcomes, null);
  const [item] = items;
  assert.ok(item);
  const done = await client.importKeys({ source, choose: [{ id: item.id, label: "moved" }], probe: "skip" });
  assert.equal(done.outcomes?.[0]?.key?.label, "moved");
  const { items: stored } = await client.key.list();
  assert.deepEqual(
    stored.map(({ provider, last4 }) => [provider, last4]),
    [["mistral", KEY.slice(-4)]],
  );
  const passphrase = await client.seal("four words and more", { method: "key/export", field: "passphrase" });
  await assert.rejects(client.key.export({ passphrase }), (error: unknown) => {
    assert.ok(error instanceof ByokdError);
    return error.kind === "unsupported";
  });
  const { items: accounts } = await client.account.list();
  assert.deepEqual(accounts.map(({ account, keys }) => [account, keys]), [["default", 1]]);
});
