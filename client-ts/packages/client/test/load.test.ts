/** Many chats at once with the real daemon, and what becomes of them when it is killed. */

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import { ConnectionClosed, type Chat } from "../src/index.js";
import { ready, SKIP } from "../testing/real.js";

const CHATS = 100;
const ENDLESS = "sandbox-paced-10hz-100000";

/** Count rejections that nobody handles, until the test ends. */
function unhandled(t: TestContext): unknown[] {
  const reasons: unknown[] = [];
  const add = (reason: unknown) => reasons.push(reason);
  process.on("unhandledRejection", add);
  t.after(() => process.off("unhandledRejection", add));
  return reasons;
}

/** Read a chat; resolve with "done" or with its error. */
async function outcome(chat: Chat, onText: () => void): Promise<unknown> {
  try {
    for await (const event of chat) if (event.type === "textDelta") onText();
    return (await chat.result).finishReason.unified;
  } catch (error) {
    return error;
  }
}

test("100 chats at once are complete", { skip: SKIP }, async (t) => {
  const rejections = unhandled(t);
  const { client, ask } = await ready(t);
  const chats = Array.from({ length: CHATS }, (_, index) => ask("sandbox-echo", `question ${index}`));
  const { running, queued } = client.streams;
  assert.deepEqual([running, queued], [64, 36]);
  const results = await Promise.all(chats.map((chat) => chat.result));
  results.forEach(({ message }, index) => {
    const [part] = message.content;
    assert.ok(part?.type === "text" && part.text.endsWith(`question ${index}`), `chat ${index}`);
  });
  assert.deepEqual(client.streams, { running: 0, queued: 0 });
  assert.deepEqual(rejections, []);
  t.diagnostic(`figures: ${CHATS} chats at once, ${running} ran and ${queued} waited, ${results.length} complete`);
});

test("a kill in the middle of 100 chats ends each that ran with a typed error; the others run on", { skip: SKIP }, async (t) => {
  const rejections = unhandled(t);
  const { client, ask } = await ready(t, { restart: { delayMs: () => 0 } });
  const withText = new Set<number>();
  let onRunning = (): void => {};
  const running = new Promise<void>((resolve) => (onRunning = resolve));
  const chats = Array.from({ length: CHATS }, () => ask(ENDLESS, "go"));
  const outcomes = chats.map((chat, index) =>
    outcome(chat, () => {
      if (withText.add(index).size === 64) onRunning();
      if (index >= 64) chat.cancel(); // it runs on the second daemon
    }),
  );
  await running;
  const pid = client.pid ?? 0;
  process.kill(pid, "SIGKILL");
  const ends = await Promise.all(outcomes);
  const killed = ends.filter((end) => end instanceof ConnectionClosed && end.exit?.signal === "SIGKILL");
  const cancelled = ends.filter((end) => end === "cancelled");
  assert.deepEqual([killed.length, cancelled.length, ends.length], [64, 36, CHATS]);
  await Promise.all(chats.map((chat) => chat.result.catch(() => {})));
  assert.notEqual(client.pid, pid);
  assert.deepEqual(rejections, []);
  t.diagnostic(
    `figures: killed with ${CHATS} chats: ${killed.length} ended with ConnectionClosed, ` +
      `${cancelled.length} ran on another daemon, ${rejections.length} unhandled rejections`,
  );
});
