/** Where a host sends the page: a place of its first message, and of its commands. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Host, type Channel, type HostMessage, type PageMessage } from "../src/host.js";
import { Model } from "../src/model.js";

const KEY = { keyId: "key_a", provider: "mistral" };

/** A host that answers each list with one page, and whose messages the test sends. */
class FakeHost implements Channel {
  readonly posted: PageMessage[] = [];
  send: (message: HostMessage) => void = () => {};

  listen(listener: (message: HostMessage) => void): void {
    this.send = listener;
  }

  post(message: PageMessage): void {
    this.posted.push(message);
    if (message.type !== "request") return;
    const results: Record<string, unknown> = {
      "provider/list": { items: [{ id: "mistral" }], nextCursor: null },
      "key/list": { items: [KEY], nextCursor: null },
      "vault/status": { vault: { state: "unlocked", choices: [] }, backups: [] },
    };
    this.send({ type: "result", id: message.id, result: results[message.method] });
  }
}

async function opened(hello: Partial<Extract<HostMessage, { type: "hello" }>> = {}): Promise<[Model, FakeHost]> {
  const channel = new FakeHost();
  const model = new Model(new Host(channel));
  const loaded = new Promise<void>((resolve) => model.subscribe(() => model.state.loaded && resolve()));
  channel.send({ type: "hello", host: "vscode", account: "default", ...hello });
  await loaded;
  await new Promise(setImmediate); // the page goes to its place after the load
  return [model, channel];
}

test("a page opens at the place of its first message", async () => {
  const [model] = await opened({ at: { view: "audit" } });
  assert.deepEqual(model.state.view, { name: "audit" });
  assert.equal(model.state.opensChat, false);
});

test("a key alone opens its provider and the form of the key", async () => {
  const [model, channel] = await opened({ opensChat: true });
  assert.equal(model.state.opensChat, true);
  channel.send({ type: "show", at: { view: "providers", keyId: KEY.keyId } });
  assert.deepEqual(model.state.view, { name: "providers", provider: "mistral" });
  assert.equal(model.state.updating, KEY.keyId);
});

test("a new key opens the form of its provider, or the first steps where there is none", async () => {
  const [model, channel] = await opened();
  channel.send({ type: "show", at: { view: "addKey", provider: "mistral" } });
  assert.deepEqual(model.state.view, { name: "providers", provider: "mistral" });
  assert.equal(model.state.adding, "mistral");
  channel.send({ type: "show", at: { view: "addKey" } });
  assert.equal(model.state.firstTime, true);
});
