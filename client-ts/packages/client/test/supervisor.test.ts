/** A client that starts another daemon when one ends. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import {
  Client,
  ConnectionClosed,
  DaemonCrashed,
  type ChatParams,
  type ClientState,
  type StartOptions,
} from "../src/index.js";

const STUB = fileURLToPath(new URL("../testing/stub.js", import.meta.url));
const AT_ONCE = { delayMs: () => 0 };
const CHAT: ChatParams = { provider: "local", model: "m", messages: [{ role: "user", content: "hi" }] };

async function supervised(t: TestContext, options: StartOptions = {}): Promise<Client> {
  const client = await Client.start({ command: process.execPath, args: [STUB, "good"], restart: AT_ONCE, ...options });
  t.after(() => client.close());
  return client;
}

/** The stub ends with code 5 when its keys are listed. */
async function crash(client: Client): Promise<void> {
  await assert.rejects(client.key.list(), (error: unknown) => {
    assert.ok(error instanceof ConnectionClosed);
    assert.equal(error.exit?.code, 5);
    return true;
  });
}

async function pidOf(client: Client): Promise<number> {
  return ((await client.vault.status()) as unknown as { pid: number }).pid;
}

/** Resolve with the next state of this type. */
function next<T extends ClientState["type"]>(client: Client, type: T): Promise<ClientState & { type: T }> {
  return new Promise((resolve) => {
    const stop = client.onState((state) => {
      if (state.type !== type) return;
      stop();
      resolve(state as ClientState & { type: T });
    });
  });
}

test("another daemon answers after a crash; listeners and the prompt handler stay", async (t) => {
  const client = await supervised(t);
  const states: string[] = [];
  client.onState((state) => states.push(state.type));
  const first = await pidOf(client);
  const running = next(client, "running");
  await crash(client);
  assert.notEqual(await pidOf(client), first); // waits for the new daemon
  await running;
  assert.deepEqual(states, ["restarting", "running"]);
  let events = 0;
  const stop = client.on("chat/events", () => (events += 1));
  for await (const event of client.chat(CHAT)) if (event.type === "textDelta") break;
  stop();
  assert.equal(events, 1);
});

test("listeners that were added before a crash get the events of the new daemon", async (t) => {
  const client = await supervised(t);
  const received = new Promise<void>((resolve) => client.on("chat/events", () => resolve()));
  await crash(client);
  const chat = client.chat(CHAT);
  await received;
  await client.close();
  await assert.rejects(chat.result, ConnectionClosed);
});

test("a stream that runs at the crash ends with ConnectionClosed, after its events", async (t) => {
  const client = await supervised(t);
  const chat = client.chat(CHAT);
  const texts: string[] = [];
  const isClosed = (error: unknown) => error instanceof ConnectionClosed && error.exit?.code === 5;
  await assert.rejects(async () => {
    for await (const event of chat) {
      if (event.type === "textDelta") texts.push(event.delta);
      void crash(client);
    }
  }, isClosed);
  await assert.rejects(chat.result, isClosed);
  assert.deepEqual(texts, ["hello"]);
});

test("calls that wait for a restart can be aborted", async (t) => {
  const client = await supervised(t, { restart: { delayMs: () => 600_000 } });
  const restarting = next(client, "restarting");
  await crash(client);
  assert.equal((await restarting).crashes, 1);
  const abort = new AbortController();
  const call = client.vault.status({}, { signal: abort.signal });
  const chat = client.chat(CHAT, { signal: abort.signal });
  abort.abort();
  await assert.rejects(call, { name: "AbortError" });
  await assert.rejects(chat.result, { name: "AbortError" });
  await client.restart(); // skips the delay
  assert.equal(client.state.type, "running");
});

test("after five crashes it gives up with the last words of the log, until restart", async (t) => {
  const client = await supervised(t);
  const failed = next(client, "failed");
  for (let crashes = 1; crashes <= 5; crashes += 1) await crash(client);
  const { error } = await failed;
  assert.ok(error instanceof DaemonCrashed);
  assert.equal(error.crashes, 5);
  assert.match(error.message, /crashed 5 times .* the last line of its log: segmentation fault in libkey$/);
  await assert.rejects(client.vault.status(), DaemonCrashed);
  await client.restart();
  await client.vault.status();
});

test("starts that fail count as crashes, too", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "byokd-once-"));
  t.after(() => rm(folder, { recursive: true }));
  const client = await supervised(t, { args: [STUB, "once", join(folder, "started")] });
  const failed = next(client, "failed");
  await crash(client);
  const { error } = await failed;
  assert.match(error.message, /crashed 5 times .* the last line of its log: the disk is on fire$/);
  await assert.rejects(client.restart(), DaemonCrashed);
});

test("crashes that are long ago do not count", async (t) => {
  const client = await supervised(t, { restart: { ...AT_ONCE, windowMs: 0 } });
  for (let crashes = 1; crashes <= 7; crashes += 1) await crash(client);
  await client.vault.status();
});

for (const where of ["while it runs", "during the delay of a restart", "after it gave up"]) {
  test(`close ${where} is final`, async (t) => {
    const maxCrashes = where === "after it gave up" ? 1 : 5;
    const client = await supervised(t, { restart: { maxCrashes, delayMs: () => 600_000 } });
    if (where !== "while it runs") {
      const ended = next(client, maxCrashes === 1 ? "failed" : "restarting");
      await crash(client);
      await ended;
    }
    await Promise.all([client.close(), client.close()]);
    assert.equal(client.state.type, "closed");
    await assert.rejects(client.vault.status(), ConnectionClosed);
    await assert.rejects(client.restart(), ConnectionClosed);
    await client.closed;
  });
}

test("restart replaces a daemon that runs and does not count as a crash", async (t) => {
  const client = await supervised(t, { restart: { ...AT_ONCE, maxCrashes: 1 } });
  const first = await pidOf(client);
  await client.restart();
  assert.notEqual(await pidOf(client), first);
});

test("a restart that is requested twice starts one daemon, and the next crash counts", async (t) => {
  const client = await supervised(t, { restart: { ...AT_ONCE, maxCrashes: 1 } });
  const restarting = next(client, "restarting");
  const first = client.restart();
  await restarting;
  const second = client.restart();
  await Promise.all([first, second]);
  const failed = next(client, "failed");
  await crash(client);
  assert.equal((await failed).error.crashes, 1);
});

test("without `restart` the end of the daemon is the end of the client", async (t) => {
  const client = await supervised(t, { restart: false });
  await crash(client);
  assert.equal((await client.closed)?.code, 5);
  assert.equal(client.state.type, "closed");
  await assert.rejects(client.vault.status(), ConnectionClosed);
});
