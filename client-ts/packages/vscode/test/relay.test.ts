/** The messages of the page: what is sealed, allowed, bounded and passed on; with a fake daemon and the real one. */

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { ConnectionClosed, REQUEST_METHODS, type JsonObject, type Notifications } from "@byokd/client";

import type { HostMessage } from "../../page/src/host.js";
import type { Daemon } from "../src/daemon/service.js";
import { Relay, REQUEST_MAX_CHARS, REQUESTS_MAX, WAITING_MAX, type DaemonClient, type RelayOptions } from "../src/page/relay.js";
import { KEY, Sandbox, SKIP, testingDaemons } from "../testing/sandbox.js";

const LIMIT = { timeout: 120_000 };
const REAL = { ...LIMIT, skip: SKIP };

/** A page that records what it gets, and can wait for a message. */
class Page {
  readonly messages: HostMessage[] = [];
  #arrived: () => void = () => {};

  readonly post = async (message: HostMessage): Promise<void> => {
    this.messages.push(structuredClone(message));
    this.#arrived();
  };

  async until<T extends HostMessage["type"]>(type: T, id?: number): Promise<Extract<HostMessage, { type: T }>> {
    for (;;) {
      const match = this.messages.find((message) => message.type === type && (id === undefined || ("id" in message && message.id === id)));
      if (match) return match as Extract<HostMessage, { type: T }>;
      await new Promise<void>((resolve) => (this.#arrived = resolve));
    }
  }

  async error(id: number): Promise<string> {
    return (await this.until("error", id)).error.kind;
  }

  /** The params of an answer of the page, by name. */
  async result(id: number): Promise<JsonObject> {
    return (await this.until("result", id)).result as JsonObject;
  }
}

type Handler = (method: string, params: JsonObject, signal: AbortSignal | undefined) => unknown;

interface Fake {
  relay: Relay;
  page: Page;
  /** Methods and params that reached the daemon. */
  seen: [string, JsonObject][];
  /** What was sealed: text, and what for. */
  sealed: [string, object][];
}

function fake(handler: Handler = () => ({}), options: Partial<RelayOptions> = {}): Fake {
  const [seen, sealed]: [Fake["seen"], Fake["sealed"]] = [[], []];
  const client = {
    server: { account: "work" },
    request: async (method: string, params: JsonObject, { signal }: { signal?: AbortSignal } = {}) => {
      seen.push([method, params]);
      return handler(method, params, signal);
    },
    seal: async (text: string, target: object) => {
      sealed.push([text, { ...target }]);
      return { sealed: `sealed ${sealed.length}` };
    },
  } as unknown as DaemonClient;
  const page = new Page();
  const relay = new Relay({ daemon: () => Promise.resolve(client), local: { environment: {}, home: "/people/a" }, post: page.post, ...options });
  return { relay, page, seen, sealed };
}

const request = (id: number, method: string, params: unknown = {}) => ({ type: "request", id, method, params });

test("a secret is sealed for the field under whose name it stands, and nothing else is changed", LIMIT, async () => {
  const { relay, page, seen, sealed } = fake();
  const fields = { apiKey: { plain: "secret" }, region: "eu", nested: [{ token: { plain: "two" } }] };
  relay.take(request(1, "key/store", { provider: "p", baseUrl: "https://a.example/v1", fields, makeDefault: true, label: null }));
  await page.result(1);
  const target = { method: "key/store", provider: "p", keyId: undefined, baseUrl: "https://a.example/v1" };
  assert.deepEqual(sealed, [["secret", { ...target, field: "apiKey" }], ["two", { ...target, field: "token" }]]);
  const sent = { apiKey: { sealed: "sealed 1" }, region: "eu", nested: [{ token: { sealed: "sealed 2" } }] };
  assert.deepEqual(seen, [["key/store", { provider: "p", baseUrl: "https://a.example/v1", fields: sent, makeDefault: true, label: null }]]);
});

test("text that would be stored as another one is refused before it is sealed", LIMIT, async () => {
  const { relay, page, seen, sealed } = fake();
  relay.take(request(1, "vault/unlock", { passphrase: { plain: "half a pair \ud800" } }));
  assert.equal(await page.error(1), "invalidParams");
  assert.deepEqual([seen, sealed], [[], []]);
});

test("every request of the protocol is allowed, and nothing else", LIMIT, async () => {
  const { relay, page, seen } = fake();
  for (const [id, method] of REQUEST_METHODS.entries()) {
    relay.take(request(id, method));
    await page.result(id);
  }
  assert.deepEqual(seen.map(([method]) => method), [...REQUEST_METHODS]);
  for (const [index, method] of ["initialize", "shutdown", "exit", "__proto__", "constructor"].entries()) {
    relay.take(request(100 + index, method));
    assert.equal(await page.error(100 + index), "invalidRequest");
  }
  assert.equal(seen.length, REQUEST_METHODS.length);
});

test("what is no message of the page is not understood", LIMIT, () => {
  const { relay } = fake();
  for (const message of [null, "request", [], {}, { type: "request", id: "1", method: "key/list", params: {} }, { type: "request", id: 1, method: "key/list" },
    { type: "request", id: 1.5, method: "key/list", params: {} }, { type: "answer", id: 1 }, { type: "cancel" }]) {
    assert.equal(relay.take(message), false, JSON.stringify(message));
  }
});

test("a request is bounded in size and in number, and its params are JSON", LIMIT, async () => {
  let finish = (): void => {};
  const running = new Promise<void>((resolve) => (finish = resolve));
  const { relay, page, seen } = fake(() => running);
  const padding = "x".repeat(REQUEST_MAX_CHARS - '{"a":""}'.length);
  relay.take(request(1, "key/list", { a: padding }));
  relay.take(request(2, "key/list", { a: `${padding}x` }));
  assert.equal(await page.error(2), "invalidRequest");
  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;
  relay.take(request(3, "key/list", cycle));
  assert.equal(await page.error(3), "invalidRequest");
  for (let id = 10; id < 10 + REQUESTS_MAX - 1; id += 1) relay.take(request(id, "key/list"));
  relay.take(request(10, "key/list")); // a number that runs
  assert.equal(await page.error(10), "invalidRequest");
  relay.take(request(99, "key/list"));
  assert.equal(await page.error(99), "overloaded");
  finish();
  await page.until("result", 1);
  assert.equal(seen.length, REQUESTS_MAX);
});

test("a cancelled request is cancelled at the daemon, and told so", LIMIT, async () => {
  const { relay, page } = fake((_, __, signal) => new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason))));
  relay.take(request(1, "model/refresh"));
  await new Promise(setImmediate); // the request reaches the daemon
  relay.take({ type: "cancel", id: 1 });
  assert.equal(await page.error(1), "cancelled");
  relay.take({ type: "cancel", id: 1 });
});

test("a daemon that ends, or is not there, is an error in words", LIMIT, async () => {
  const ended = fake(() => Promise.reject(new ConnectionClosed()));
  ended.relay.take(request(1, "key/list"));
  const { error } = await ended.page.until("error", 1);
  assert.deepEqual([error.kind, error.userMessage], ["internal", "the connection to the daemon is closed"]);
  const missing = fake(undefined, { daemon: () => Promise.reject(new Error("it is not installed")) });
  missing.relay.take(request(1, "key/list"));
  assert.equal((await missing.page.until("error", 1)).error.userMessage, "it is not installed");
});

test("events of a chat go to the page only while its own chat runs", LIMIT, async () => {
  let finish = (): void => {};
  const { relay, page } = fake(() => new Promise((resolve) => (finish = () => resolve({}))));
  const events = (streamId: string, items: Notifications["chat/events"]["events"] = []) => relay.notify("chat/events", { streamId, seq: 0, events: items });
  relay.take(request(1, "chat/send", { streamId: "mine" }));
  events("mine");
  events("of the editor's chat");
  assert.ok(page.messages.every((message) => message.type !== "used"));
  const cost = { amount: null, currency: "USD", source: "unknown", asOf: null, basis: null, parts: null } as const;
  events("of the editor's chat", [{ type: "finish", finishReason: { unified: "stop", raw: null }, usage: null, cost }]);
  assert.deepEqual(page.messages.at(-1), { type: "used" });
  await new Promise(setImmediate); // the request reaches the daemon
  finish();
  await page.until("result", 1);
  events("mine");
  relay.notify("catalog/changed", {} as never);
  const notified = page.messages.flatMap((message) => (message.type === "notification" ? [[message.method, (message.params as JsonObject)["streamId"]]] : []));
  assert.deepEqual(notified, [["chat/events", "mine"], ["catalog/changed", undefined]]);
});

test("a question is answered once, withdrawn, or without an answer when the page is gone", LIMIT, async () => {
  const { relay, page } = fake();
  const params = { type: 2, message: "Use it again?", actions: [{ title: "Re-enable" }] };
  const { signal } = new AbortController();
  const first = relay.ask(params, signal);
  const { id } = await page.until("question");
  relay.take({ type: "answer", id, title: "Re-enable" });
  relay.take({ type: "answer", id, title: "Dismiss" });
  assert.equal(await first, "Re-enable");

  const withdrawn = new AbortController();
  const second = relay.ask(params, withdrawn.signal);
  withdrawn.abort();
  assert.equal(await second, null);
  assert.notEqual((await page.until("withdrawn")).id, id);

  const third = relay.ask(params, signal);
  relay.close();
  assert.equal(await third, null);
  assert.equal(await relay.ask(params, signal), null);
  assert.equal(await relay.ask(params, AbortSignal.abort()), null);
});

test("a page that stopped to read is ended", LIMIT, () => {
  const posted: HostMessage[] = [];
  const { relay } = fake(undefined, { post: (message) => (posted.push(message), new Promise(() => {})) });
  for (let number = 0; number < WAITING_MAX + 10; number += 1) relay.post({ type: "starting" });
  assert.equal(posted.length, WAITING_MAX + 1);
  assert.deepEqual(posted.at(-1), { type: "ended", reason: "overflow" });
});

test("an import from the environment has the variables that the providers name, sealed", LIMIT, async () => {
  const pages: Record<string, object> = {
    null: { items: [{ baseUrlEnv: ["A_URL"], fields: [{ env: ["A_KEY", "A_OTHER"] }] }], nextCursor: "1" },
    1: { items: [{ baseUrlEnv: [], fields: [{ env: ["B_KEY"] }] }], nextCursor: null },
  };
  const environment = { A_KEY: "one", B_KEY: "two", A_URL: "", HOME: "/people/a", OTHER_SECRET: "three" };
  const answer: Handler = (method, { cursor }) => (method === "provider/list" ? pages[String(cursor)] : {});
  const { relay, page, seen, sealed } = fake(answer, { local: { environment, home: "/people/a" } });
  relay.take(request(1, "key/import", { source: { type: "environment" }, choose: [] }));
  await page.result(1);
  const variables = { A_KEY: { sealed: "sealed 1" }, B_KEY: { sealed: "sealed 2" } };
  assert.deepEqual(seen.at(-1), ["key/import", { source: { type: "variables", variables }, choose: [] }]);
  assert.deepEqual(sealed.map(([text]) => text), ["one", "two"]);
});

for (const [path, expected] of [["~", "/people/a"], ["~/.env", "/people/a/.env"], ["~b/.env", "~b/.env"], ["/x/~/.env", "/x/~/.env"]]) {
  test(`the path ${path} is sent as ${expected}`, LIMIT, async () => {
    const { relay, page, seen } = fake();
    relay.take(request(1, "key/import", { source: { type: "envFile", path } }));
    await page.result(1);
    const source = seen[0]?.[1]["source"] as JsonObject;
    assert.equal(join(String(source["path"])), join(expected ?? ""));
  });
}

async function real(t: TestContext, environment: Record<string, string> = {}): Promise<{ ask: (method: string, params?: object) => Promise<JsonObject> }> {
  const [daemon] = await testingDaemons(t, 1);
  const page = new Page();
  const relay = new Relay({ daemon: (signal) => running(daemon, signal), local: { environment, home: tmpdir() }, post: page.post });
  let lastId = 0;
  const ask = (method: string, params: object = {}) => {
    relay.take(request((lastId += 1), method, params));
    return page.result(lastId);
  };
  return { ask };
}

async function running(daemon: Daemon | undefined, signal: AbortSignal): Promise<DaemonClient> {
  assert.ok(daemon);
  return daemon.client({ signal });
}

const MEMORY = { protection: "passphrase", acceptRisk: "passphrase", passphrase: { plain: "four words nobody knows" } };

test("the real daemon opens what is sealed, and its recovery code opens the vault", REAL, async (t) => {
  const { ask } = await real(t);
  const { recoveryCode } = await ask("vault/initialize", { ...MEMORY, makeRecoveryCode: true });
  assert.match(String(recoveryCode), /^[A-Z0-9-]{20,}$/);
  await ask("vault/lock");
  const { vault } = (await ask("vault/unlock", { recoveryCode: { plain: recoveryCode } })) as { vault: JsonObject };
  assert.equal(vault["state"], "unlocked");
  await ask("vault/lock");
  await ask("vault/unlock", { passphrase: MEMORY.passphrase });
});

test("a key of the page is probed, stored and imported by the real daemon", REAL, async (t) => {
  const [sandbox, { ask }] = await Promise.all([Sandbox.start(t), real(t, { MISTRAL_API_KEY: KEY })]);
  await ask("vault/initialize", MEMORY);
  const fields = { apiKey: { plain: KEY } };
  const { key } = (await ask("key/store", { provider: "openai-compatible", fields, baseUrl: sandbox.baseUrl, label: "work" })) as { key: JsonObject };
  assert.deepEqual([key["label"], key["last4"]], ["work", "cdef"]);
  const preview = (await ask("key/import", { source: { type: "environment" } })) as { items: JsonObject[] };
  assert.deepEqual(preview.items.map((item) => item["variables"]), [["MISTRAL_API_KEY"]]);
  const folder = await mkdtemp(join(tmpdir(), "byokd-env-"));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, ".env"), `GROQ_API_KEY=${KEY}\n`);
  const path = `~${folder.slice(tmpdir().length)}/.env`;
  const inFile = (await ask("key/import", { source: { type: "envFile", path } })) as { items: JsonObject[] };
  assert.deepEqual(inFile.items.map((item) => item["provider"]), ["groq"]);
});
