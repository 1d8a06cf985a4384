/** The client with the real daemon and the sandbox as provider; see `testing/real.ts`. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ByokdError, SCHEMA_HASH, type Chat, type Message } from "../src/index.js";
import { BAD_KEY, generic, KEY, ready, sandbox, SKIP, started } from "../testing/real.js";

const WEATHER = {
  name: "weather",
  description: "Tell the weather in a city.",
  inputSchema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};

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
