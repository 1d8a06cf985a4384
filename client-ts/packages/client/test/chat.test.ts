/** Chats: batches of events, merged deltas, gaps, errors and cancels. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ByokdError, ProtocolError, type ChatEvent, type ChatParams } from "../src/index.js";
import { answer, cancelled, connected, failure, type Handler } from "../testing/fake.js";

const PARAMS: ChatParams = {
  provider: "local",
  model: "m",
  messages: [{ role: "user", content: "hi" }],
};

type Batch = { seq: number; events: object[] };

const start = { type: "start", provider: "local", model: "m", keyId: null, warnings: [] };
const text = (delta: string, blockId = "b0") => ({ type: "textDelta", blockId, delta });
const args = (delta: string, callId = "c0") => ({ type: "toolCallDelta", callId, delta });
const open = { type: "textStart", blockId: "b0" };
const close = { type: "textEnd", blockId: "b0", providerState: null };

/** Handlers of a daemon that sends these batches and then responds. */
function streaming(batches: Batch[], end: () => unknown = () => answer("done")): Record<string, Handler> {
  return {
    "chat/send": async ({ streamId }: { streamId: string }, _token, rpc) => {
      for (const batch of batches) await rpc.sendNotification("chat/events", { streamId, ...batch });
      return end();
    },
  };
}

async function collect(events: AsyncIterable<ChatEvent>): Promise<object[]> {
  const all: object[] = [];
  for await (const event of events) all.push(event);
  return all;
}

const STREAMS: [name: string, batches: Batch[], expected: object[]][] = [
  ["nothing", [], []],
  ["one batch", [{ seq: 0, events: [start, open, text("hi"), close] }], [start, open, text("hi"), close]],
  [
    "one event a batch",
    [start, open, text("hi"), close].map((event, seq) => ({ seq, events: [event] })),
    [start, open, text("hi"), close],
  ],
  ["an empty batch", [{ seq: 0, events: [] }, { seq: 0, events: [start] }], [start]],
  [
    "an unknown event is dropped, and counted in seq",
    [{ seq: 0, events: [start, { type: "hologram", beam: 1 }] }, { seq: 2, events: [open] }],
    [start, open],
  ],
  [
    "deltas of two blocks are not merged",
    [{ seq: 0, events: [text("a"), text("b", "b1"), args("{"), args("}", "c1")] }],
    [text("a"), text("b", "b1"), args("{"), args("}", "c1")],
  ],
  ["queued adjacent deltas are merged", [{ seq: 0, events: [text("a"), text("b"), args("{"), args("}")] }], [text("ab"), args("{}")]],
];
for (const [name, batches, expected] of STREAMS) {
  test(`stream: ${name}`, async () => {
    const { client } = await connected(streaming(batches));
    const chat = client.chat(PARAMS);
    assert.deepEqual(await collect(chat), expected);
    assert.deepEqual(await chat.result, answer("done"));
  });
}

test("chat/send has the params and the stream id", async () => {
  const { client, seen } = await connected(streaming([]));
  const chat = client.chat({ ...PARAMS, temperature: 0 });
  await chat.result;
  assert.deepEqual(seen.at(-1), ["chat/send", { ...PARAMS, temperature: 0, streamId: chat.streamId }]);
});

test("two concurrent chats get their own events", async () => {
  const { client } = await connected({
    "chat/send": async ({ streamId, model }: { streamId: string; model: string }, _token, rpc) => {
      for (const seq of [0, 1, 2]) {
        await rpc.sendNotification("chat/events", { streamId, seq, events: [text(`${model}${seq}`)] });
        await new Promise((resolve) => setImmediate(resolve));
      }
      return answer(model);
    },
  });
  const chats = ["x", "y"].map((model) => client.chat({ ...PARAMS, model }));
  const texts = await Promise.all(chats.map(collect));
  const joined = texts.map((events) => events.map((event) => (event as { delta: string }).delta).join(""));
  assert.deepEqual(joined, ["x0x1x2", "y0y1y2"]);
});

test("deltas for a slow reader are merged", async () => {
  const many = Array.from({ length: 5000 }, (_, seq) => ({ seq, events: [text("x")] }));
  const { client } = await connected(streaming(many));
  const chat = client.chat(PARAMS);
  await chat.result;
  assert.deepEqual(await collect(chat), [text("x".repeat(5000))]);
});

test("a gap in the events rejects the loop and not the result", async () => {
  const batches = [{ seq: 0, events: [start] }, { seq: 2, events: [close] }];
  const { client } = await connected(streaming(batches));
  const chat = client.chat(PARAMS);
  await assert.rejects(collect(chat), (error: unknown) => {
    assert.ok(error instanceof ProtocolError);
    assert.match(error.message, /expected 1, got 2/);
    return true;
  });
  assert.deepEqual(await chat.result, answer("done"));
});

test("a failed chat rejects the loop and the result", async () => {
  const { client } = await connected(streaming([{ seq: 0, events: [start] }], () => failure("rateLimited", -31020)));
  const chat = client.chat(PARAMS);
  const isLimited = (error: unknown) => error instanceof ByokdError && error.kind === "rateLimited";
  await assert.rejects(collect(chat), isLimited);
  await assert.rejects(chat.result, isLimited);
});

/** Handlers of a daemon that sends one delta and then waits for the cancel. */
const untilCancelled: Record<string, Handler> = {
  "chat/send": async ({ streamId }: { streamId: string }, token, rpc) => {
    await rpc.sendNotification("chat/events", { streamId, seq: 0, events: [start, text("par")] });
    await cancelled(token);
    return answer("par", "cancelled");
  },
};

test("an aborted chat succeeds with the partial message", async () => {
  const { client, seen } = await connected(untilCancelled);
  const abort = new AbortController();
  const chat = client.chat(PARAMS, { signal: abort.signal });
  const events: string[] = [];
  for await (const event of chat) {
    events.push(event.type);
    if (event.type === "textDelta") abort.abort();
  }
  assert.deepEqual(events, ["start", "textDelta"]);
  assert.equal((await chat.result).finishReason.unified, "cancelled");
  assert.ok(seen.every(([method]) => method !== "exit"));
});

test("leaving the loop cancels the chat", async () => {
  const { client } = await connected(untilCancelled);
  const chat = client.chat(PARAMS);
  for await (const event of chat) if (event.type === "start") break;
  assert.equal((await chat.result).finishReason.unified, "cancelled");
});

test("cancel works without a signal and without a loop", async () => {
  const { client } = await connected(untilCancelled);
  const chat = client.chat(PARAMS);
  setImmediate(() => chat.cancel());
  assert.equal((await chat.result).finishReason.unified, "cancelled");
});

test("a chat with an aborted signal is not sent", async () => {
  const { client, seen } = await connected(untilCancelled);
  const chat = client.chat(PARAMS, { signal: AbortSignal.abort() });
  await assert.rejects(collect(chat), { name: "AbortError" });
  await assert.rejects(chat.result, { name: "AbortError" });
  assert.ok(!seen.some(([method]) => method === "chat/send"));
});

test("cancel after the end sends nothing", async () => {
  const { client, wire } = await connected(streaming([{ seq: 0, events: [start] }]));
  const chat = client.chat(PARAMS);
  await collect(chat);
  chat.cancel();
  await client.close();
  assert.doesNotMatch(wire(), /cancelRequest/);
});

test("a second loop over a chat throws a TypeError", async () => {
  const { client } = await connected(streaming([]));
  const chat = client.chat(PARAMS);
  await collect(chat);
  await assert.rejects(collect(chat), TypeError);
});
