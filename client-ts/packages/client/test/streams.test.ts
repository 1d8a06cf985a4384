/** Chats wait their turn while the daemon has as many as it allows. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Chat, ChatParams, Client } from "../src/index.js";
import { answer, cancelled, connected, type Handler } from "../testing/fake.js";

const limits = { maxMessageBytes: 67108864, maxConcurrentStreams: 2 };

/** Handlers of a daemon that ends the chats one by one, in the order of `finish`. */
function slow(): { handlers: Record<string, Handler>; running: string[]; finish: (model: string) => void } {
  const running: string[] = [];
  const finishers = new Map<string, () => void>();
  const handlers: Record<string, Handler> = {
    "vault/status": () => ({}),
    "chat/send": async ({ model }: { model: string }, token) => {
      assert.ok(running.length < limits.maxConcurrentStreams, "the daemon would answer `overloaded`");
      running.push(model);
      await Promise.race([new Promise<void>((resolve) => finishers.set(model, resolve)), cancelled(token)]);
      running.splice(running.indexOf(model), 1);
      return answer(model, token.isCancellationRequested ? "cancelled" : "stop");
    },
  };
  return { handlers, running, finish: (model) => finishers.get(model)?.() };
}

function ask(client: Client, model: string, requester?: string, signal?: AbortSignal): Chat {
  const params: ChatParams = { provider: "local", model, messages: [{ role: "user", content: "hi" }] };
  return client.chat({ ...params, ...(requester && { _meta: { client: requester } }) }, signal ? { signal } : {});
}

/** Wait until the daemon has read everything that was sent. */
const settled = (client: Client) => client.vault.status();

test("no more chats run than the daemon allows; the others follow in order", async () => {
  const { handlers, running, finish } = slow();
  const { client } = await connected(handlers, {}, { limits });
  const chats = ["a", "b", "c", "d"].map((model) => ask(client, model));
  await settled(client);
  assert.deepEqual(running, ["a", "b"]);
  assert.deepEqual(client.streams, { running: 2, queued: 2 });
  finish("b");
  await chats[1]?.result;
  await settled(client);
  assert.deepEqual(running, ["a", "c"]);
  for (const model of ["a", "c"]) finish(model);
  await chats[2]?.result;
  await settled(client);
  finish("d");
  await Promise.all(chats.map((chat) => chat.result));
  assert.deepEqual(client.streams, { running: 0, queued: 0 });
});

test("a requester with one chat does not wait for all chats of another", async () => {
  const { handlers, running, finish } = slow();
  const { client } = await connected(handlers, {}, { limits });
  const chats = ["i1", "i2", "i3", "i4", "i5"].map((model) => ask(client, model, "indexer"));
  chats.push(ask(client, "person", "editor"));
  await settled(client);
  const started: string[] = [];
  for (let left = chats.length; left > 0; left -= 1) {
    const [first] = running;
    assert.ok(first);
    started.push(first);
    finish(first);
    await chats[["i1", "i2", "i3", "i4", "i5", "person"].indexOf(first)]?.result;
    await settled(client);
  }
  assert.ok(started.indexOf("person") < started.indexOf("i5"), started.join(" "));
});

test("a chat that waits can be cancelled, by its signal or by itself, and takes no place", async () => {
  const { handlers, running, finish } = slow();
  const { client, seen } = await connected(handlers, {}, { limits });
  const abort = new AbortController();
  const first = [ask(client, "a"), ask(client, "b")];
  const [aborted, cancelledOne, last] = [ask(client, "c", "", abort.signal), ask(client, "d"), ask(client, "e")];
  await settled(client);
  abort.abort(new Error("no longer wanted"));
  cancelledOne.cancel();
  await assert.rejects(aborted.result, /no longer wanted/);
  await assert.rejects(cancelledOne.result, { name: "AbortError" });
  assert.deepEqual(client.streams, { running: 2, queued: 1 });
  finish("a");
  await first[0]?.result;
  await settled(client);
  assert.deepEqual(running, ["b", "e"]);
  for (const model of ["b", "e"]) finish(model);
  await last.result;
  const sent = seen.filter(([method]) => method === "chat/send").map(([, params]) => (params as ChatParams).model);
  assert.deepEqual(sent, ["a", "b", "e"]);
});

test("a chat that fails or is cancelled gives its place to the next", async () => {
  const { handlers, running, finish } = slow();
  const { client } = await connected(handlers, {}, { limits });
  const [first, second, third] = [ask(client, "a"), ask(client, "b"), ask(client, "c")];
  await settled(client);
  first.cancel();
  assert.equal((await first.result).finishReason.unified, "cancelled");
  await settled(client);
  assert.deepEqual(running, ["b", "c"]);
  for (const model of ["b", "c"]) finish(model);
  await Promise.all([second.result, third.result]);
});
