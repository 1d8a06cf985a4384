/** Token counts: remembered, asked for once, and there without a daemon. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Client, CountTokensParams, Message } from "@byokd/client";

import { roughly, TokenCounts } from "../src/models/counts.js";
import { daemonOf, LIMIT as DAEMON_LIMIT } from "../testing/daemon.js";

const LIMIT = { timeout: 10_000 };
const TARGET = { provider: "anthropic", model: "claude-sonnet-4-5", keyId: null };

/** A client that counts one token per character of a text. */
function counting(): { client: Client; requests: CountTokensParams[] } {
  const requests: CountTokensParams[] = [];
  const countTokens = async (params: CountTokensParams) => {
    requests.push(params);
    return { inputTokens: params.text?.length ?? 7, method: "estimate" as const, basis: "" };
  };
  return { client: { countTokens } as unknown as Client, requests }; // counting uses nothing else
}

test("the same content is asked for once, also by many at once", LIMIT, async () => {
  const { client, requests } = counting();
  const counts = new TokenCounts(() => client);
  const message: Message = { role: "user", content: [{ type: "text", text: "hello" }] };
  const first = await Promise.all([counts.count(TARGET, ["hello"]), counts.count(TARGET, ["hello"]), counts.count(TARGET, [message]), counts.count(TARGET, [message, "hello"])]);
  assert.deepEqual(first, [5, 5, 7, 12]);
  assert.equal(requests.length, 2);
  await counts.count({ ...TARGET, model: "other" }, ["hello"]);
  assert.equal(requests.length, 3, "each model counts in its own way");
  assert.equal(await counts.count(TARGET, [""]), 0);
});

test("the least recently used of 10,000 counts is forgotten", LIMIT, async () => {
  const { client, requests } = counting();
  const counts = new TokenCounts(() => client);
  const texts = Array.from({ length: 10_000 }, (_, index) => `text ${index}`);
  await counts.count(TARGET, texts);
  await counts.count(TARGET, ["text 0"]);
  assert.equal(requests.length, 10_000, "at the bound all are known");
  await counts.count(TARGET, ["one more"]);
  await counts.count(TARGET, ["text 0"]);
  assert.equal(requests.length, 10_001);
  await counts.count(TARGET, ["text 1"]);
  assert.equal(requests.length, 10_002);
});

test("the data of an image is not sent to be counted", LIMIT, async () => {
  const { client, requests } = counting();
  const image = { type: "image", data: "A".repeat(4_000_000), mediaType: "image/jpeg" } as const;
  await new TokenCounts(() => client).count(TARGET, [{ role: "user", content: [image, { type: "toolResult", callId: "c", content: [image] }] }]);
  assert.ok(JSON.stringify(requests).length < 1000);
});

test("without a daemon, or if it fails, the count is a rough one that is not remembered", LIMIT, async () => {
  let client: Client | undefined;
  const counts = new TokenCounts(() => client);
  assert.equal(await counts.count(TARGET, ["12345678"]), 2);
  client = { countTokens: () => Promise.reject(new Error("ended")) } as unknown as Client;
  assert.equal(await counts.count(TARGET, ["12345678"]), 2);
  client = counting().client;
  assert.equal(await counts.count(TARGET, ["12345678"]), 8);
  assert.equal(roughly({ role: "user", content: [{ type: "text", text: "é" }] }), 8); // 29 bytes of JSON
});

test("the daemon counts each form of message, and how long it takes is printed", DAEMON_LIMIT, async (t) => {
  const { daemon } = await daemonOf(t);
  const counts = new TokenCounts(() => daemon.current);
  const long = "The quick brown fox jumps over the lazy dog. ".repeat(200);
  const messages: Message[] = [
    { role: "system", content: "Answer briefly." },
    { role: "assistant", content: [{ type: "toolCall", callId: "c1", name: "look", arguments: { at: "here" } }] },
    { role: "tool", content: [{ type: "toolResult", callId: "c1", content: "seen" }] },
  ];
  for (const message of messages) assert.ok((await counts.count(TARGET, [message])) > 0, message.role);
  const begin = performance.now();
  const texts = Array.from({ length: 100 }, (_, index) => `${index} ${long}`);
  await Promise.all(texts.map((text) => counts.count(TARGET, [text])));
  const counted = performance.now();
  await Promise.all(texts.map((text) => counts.count(TARGET, [text])));
  const known = performance.now();
  t.diagnostic(`100 texts of 9 kB: ${(counted - begin).toFixed(1)} ms asked at once, ${(known - counted).toFixed(1)} ms known`);
});
