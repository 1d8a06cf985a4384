/** The connection, single calls, notifications and prompts. */

import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";

import { CancellationTokenSource } from "vscode-jsonrpc/node";

import { ByokdError, Client, ConnectionClosed, ProtocolError, StartError, type StartFailure } from "../src/index.js";
import { cancelled, connected, failure } from "../testing/fake.js";

test("initialize has byokd's options in initializationOptions; initialized follows", async () => {
  const { client, seen, wire } = await connected(
    {},
    { clientInfo: { name: "test", version: "1" }, account: "work", optOutNotifications: ["key/changed"] },
  );
  assert.deepEqual(seen[0], [
    "initialize",
    {
      processId: process.pid,
      clientInfo: { name: "test", version: "1" },
      rootUri: null,
      capabilities: {},
      initializationOptions: {
        byokd: {
          protocolVersion: 1,
          capabilities: { prompt: true },
          clientInfo: { name: "test", version: "1" },
          account: "work",
          optOutNotifications: ["key/changed"],
        },
      },
    },
  ]);
  assert.equal(client.server.vault.state, "checking");
  await client.close();
  const methods = [...wire().matchAll(/"method":"(\w+)"/g)].map(([, method]) => method);
  assert.deepEqual(methods, ["initialize", "initialized", "shutdown", "exit"]);
});

const REJECTED: [string, object, StartFailure, RegExp][] = [
  ["another language server", { capabilities: {} }, "notByokd", /not byokd/],
  ["a newer protocol", { capabilities: { experimental: { byokd: { protocolVersion: 2 } } } }, "otherVersion", /protocol 2/],
];
for (const [name, answer, reason, expected] of REJECTED) {
  test(`connect rejects ${name}`, async () => {
    await assert.rejects(connected({ initialize: () => answer }), (error: unknown) => {
      assert.ok(error instanceof StartError);
      assert.equal(error.reason, reason);
      assert.match(error.message, expected);
      return true;
    });
  });
}

test("params are sent as an object, with a signal and without params too", async () => {
  const empty = { items: [], nextCursor: null };
  const { client, seen } = await connected({ "key/list": () => empty, "vault/status": () => ({}) });
  assert.deepEqual(await client.key.list(), empty);
  await client.key.list({ provider: "local" }, { signal: new AbortController().signal });
  await client.vault.status();
  assert.deepEqual(seen.slice(2), [
    ["key/list", {}],
    ["key/list", { provider: "local" }],
    ["vault/status", {}],
  ]);
});

test("an error response is a ByokdError with its kind", async () => {
  const { client } = await connected({ "key/delete": () => failure("keyMissing", -31010) });
  await assert.rejects(client.key.delete({ keyId: "key_a" }), (error: unknown) => {
    assert.ok(error instanceof ByokdError);
    assert.equal(error.kind, "keyMissing");
    assert.equal(error.code, -31010);
    assert.equal(error.message, "store a key first");
    assert.equal(error.data.errorId, "0123456789abcdef");
    return true;
  });
});

test("an error response without data is a ProtocolError", async () => {
  const { client } = await connected({});
  await assert.rejects(client.model.list(), ProtocolError);
});

test("pending calls are rejected when the daemon closes its output", async () => {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const connecting = Client.connect({ input, output });
  input.end();
  await assert.rejects(connecting, ConnectionClosed);
});

test("calls after close are rejected; close can be called twice", async () => {
  const { client } = await connected({});
  await Promise.all([client.close(), client.close()]);
  await client.closed;
  await assert.rejects(client.provider.list(), ConnectionClosed);
});

test("an aborted call is cancelled on the daemon", async () => {
  const { client } = await connected({
    "model/list": async (_params, token) => {
      await cancelled(token);
      return failure("cancelled", -32800);
    },
  });
  const abort = new AbortController();
  const call = client.model.list({ refresh: true }, { signal: abort.signal });
  setImmediate(() => abort.abort());
  await assert.rejects(call, (error: unknown) => error instanceof ByokdError && error.kind === "cancelled");
});

test("an aborted call ends also if the daemon does not answer", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { client } = await connected({ "model/list": () => new Promise(() => {}) });
  const abort = new AbortController();
  const call = client.model.list({}, { signal: abort.signal });
  await new Promise((resolve) => setImmediate(resolve)); // it is sent
  abort.abort(new Error("no longer wanted"));
  t.mock.timers.tick(5000);
  await assert.rejects(call, /no longer wanted/);
});

test("a call with an aborted signal is not sent", async () => {
  const { client, seen } = await connected({ "model/list": () => ({}) });
  await assert.rejects(client.model.list({}, { signal: AbortSignal.abort() }), { name: "AbortError" });
  assert.ok(!seen.some(([method]) => method === "model/list"));
});

test("listeners get notifications until they are removed", async () => {
  const { client, rpc } = await connected({ "vault/status": () => ({}) });
  const received: string[] = [];
  const stop = client.on("key/changed", ({ keyId, change }) => received.push(`${keyId} ${change}`));
  client.on("key/changed", ({ keyId }) => received.push(`second ${keyId}`));
  const notify = (keyId: string) =>
    rpc.sendNotification("key/changed", { keyId, provider: "p", change: "stored", state: "active", reason: null });
  await notify("key_a");
  await client.vault.status();
  stop();
  await notify("key_b");
  await client.vault.status();
  assert.deepEqual(received, ["key_a stored", "second key_a", "second key_b"]);
});

for (const [chosen, expected] of [["Re-enable", { title: "Re-enable" }], [null, null]] as const) {
  test(`a prompt is answered with ${chosen ?? "nothing"}`, async () => {
    const { client, rpc } = await connected({});
    client.onPrompt(async ({ actions }) => actions.find(({ title }) => title === chosen)?.title ?? null);
    const request = { type: 2, message: "disabled", actions: [{ title: "Re-enable" }, { title: "Dismiss" }] };
    assert.deepEqual(await rpc.sendRequest("window/showMessageRequest", request), expected);
  });
}

test("a prompt that the daemon withdraws, or that it leaves open, aborts the signal of its handler", async () => {
  const { client, rpc } = await connected({});
  const shown: AbortSignal[] = [];
  const two = new Promise<void>((resolve) =>
    client.onPrompt((_, signal) => {
      if (shown.push(signal) === 2) resolve();
      return new Promise((answer) => signal.addEventListener("abort", () => answer(null)));
    }),
  );
  const request = { type: 2, message: "disabled", actions: [] };
  const source = new CancellationTokenSource();
  const first = rpc.sendRequest("window/showMessageRequest", request, source.token);
  rpc.sendRequest("window/showMessageRequest", request).catch(() => {}); // the connection is closed first
  await two;
  source.cancel();
  assert.equal(await first, null);
  assert.deepEqual(shown.map((signal) => signal.aborted), [true, false]);
  await client.close();
  assert.equal(shown[1]?.aborted, true);
});

test("a prompt without a handler is dismissed", async () => {
  const { rpc } = await connected({});
  const request = { type: 2, message: "disabled", actions: [] };
  assert.equal(await rpc.sendRequest("window/showMessageRequest", request), null);
});

test("the audit log is exported and verified in pages", async () => {
  const page = { items: [], nextCursor: null, storeId: "00", checkpoint: null };
  const checked = {
    ok: true, entries: 0, firstBadSeq: null, fault: null, message: "", anchor: "none", keys: [], macs: false, head: null,
  };
  const { client, seen } = await connected({ "audit/export": () => page, "audit/verify": () => checked });
  assert.deepEqual(await client.audit.export({ limit: 1000 }), page);
  assert.deepEqual(await client.audit.verify({ entries: [], storeId: "00" }), checked);
  assert.deepEqual(seen.slice(2), [
    ["audit/export", { limit: 1000 }],
    ["audit/verify", { entries: [], storeId: "00" }],
  ]);
});

test("accounts are listed and deleted by name", async () => {
  const empty = { items: [], nextCursor: null };
  const gone = { account: "work", keys: 2, action: null };
  const { client, seen } = await connected({ "account/list": () => empty, "account/delete": () => gone });
  assert.deepEqual(await client.account.list(), empty);
  assert.deepEqual(await client.account.delete({ account: "work", confirm: "work" }), gone);
  assert.deepEqual(seen.slice(2), [
    ["account/list", {}],
    ["account/delete", { account: "work", confirm: "work" }],
  ]);
});

test("vault/restore sends the number of the backup", async () => {
  const restored = { restored: "/b/000001.db", aside: null };
  const { client, seen } = await connected({ "vault/restore": () => restored });
  assert.deepEqual(await client.vault.restore({ number: 1 }), restored);
  assert.deepEqual(seen.at(-1), ["vault/restore", { number: 1 }]);
});
