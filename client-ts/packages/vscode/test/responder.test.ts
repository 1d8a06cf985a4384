/** Answers and the list of models, with the real daemon. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ByokdError } from "@byokd/client";
import type { ThemeIcon } from "vscode";

import { Daemon } from "../src/daemon/service.js";
import { ModelList } from "../src/models/list.js";
import { ChatFailed, Responder } from "../src/models/responder.js";
import { Answers } from "../src/models/states.js";
import type { ResponsePart } from "../src/models/vscode_parts.js";
import { daemonOf, LIMIT, sandbox, storeKey } from "../testing/daemon.js";
import { classes, image, received, text } from "../testing/parts.js";

const ICON = { id: "warning" } as ThemeIcon; // only passed on
const PROVIDER = { provider: "anthropic", path: "" };
const never = new AbortController().signal;

const target = (model: string) => ({ provider: PROVIDER.provider, model: `claude-sonnet-4-5-${model}`, keyId: null });
const responderOf = (daemon: Daemon) => new Responder({ daemon, classes, answers: new Answers(), effort: () => undefined, log: () => {} });

test("cancelling ends the answer here and at the daemon", LIMIT, async (t) => {
  const [origin, { daemon, client }] = await Promise.all([sandbox(t), daemonOf(t)]);
  await storeKey(client, origin, PROVIDER.provider, PROVIDER.path);
  const stop = new AbortController();
  const parts: ResponsePart[] = [];
  const report = (part: ResponsePart) => {
    parts.push(part);
    stop.abort(); // at the first word of an answer that takes ten minutes
  };
  const result = await responderOf(daemon).respond(target("sandbox-paced-1hz-600"), [{ role: 1, content: "go" }], {}, report, stop.signal);
  assert.equal(result, undefined);
  assert.ok(parts.length < 10);
  assert.deepEqual(client.streams, { running: 0, queued: 0 });
});

test("an image is sent, and usage comes with the answer", LIMIT, async (t) => {
  const [origin, { daemon, client }] = await Promise.all([sandbox(t), daemonOf(t)]);
  await storeKey(client, origin, PROVIDER.provider, PROVIDER.path);
  const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=", "base64");
  const parts: ResponsePart[] = [];
  await responderOf(daemon).respond(target("sandbox-echo"), [{ role: 1, content: [image(png), text("What is it?")] }], {}, (part) => parts.push(part), never);
  const answer = received(parts);
  assert.equal(answer.text, "You said: What is it?");
  assert.ok(answer.usage && answer.usage.total_tokens === answer.usage.prompt_tokens + answer.usage.completion_tokens);
});

test("a stream that breaks off keeps what came, and is said to be partial", LIMIT, async (t) => {
  const [origin, { daemon, client }] = await Promise.all([sandbox(t), daemonOf(t)]);
  await storeKey(client, origin, PROVIDER.provider, PROVIDER.path);
  const parts: ResponsePart[] = [];
  const answer = responderOf(daemon).respond(target("sandbox-cut"), [{ role: 1, content: "go" }], {}, (part) => parts.push(part), never);
  await assert.rejects(answer, (error) => error instanceof ChatFailed && error.isPartial && error.cause instanceof ByokdError);
  assert.ok(received(parts).text.length > 0);
});

test("models of a disabled key stay, and a request is answered with what to do", LIMIT, async (t) => {
  const [origin, { daemon, client }] = await Promise.all([sandbox(t), daemonOf(t)]);
  const { keyId } = await storeKey(client, origin, PROVIDER.provider, PROVIDER.path);
  const list = new ModelList(daemon, ICON);
  t.after(() => list.dispose());
  const before = await list.models(false);
  const changed = new Promise<void>((resolve) => list.onDidChange(() => resolve()));
  await client.key.disable({ keyId });
  await changed;
  const after = await list.models(false);
  assert.deepEqual(after.map(({ id }) => id), before.map(({ id }) => id));
  assert.ok(after.every(({ statusIcon, detail }) => statusIcon === ICON && detail?.endsWith("key disabled")));
  const [model] = after;
  assert.ok(model);
  const answer = responderOf(daemon).respond(model.target, [{ role: 1, content: "go" }], {}, () => {}, never);
  await assert.rejects(answer, (error) => error instanceof ChatFailed && error.cause instanceof ByokdError && error.cause.kind === "keyDisabled");
});

test("without a daemon there are no models, and nobody is asked to install one", LIMIT, async (t) => {
  const daemon = new Daemon({
    settings: () => ({ executable: undefined, configFile: undefined, account: "default" }),
    find: () => Promise.resolve({ program: undefined, message: "not installed" }),
    offerInstall: () => assert.fail("a silent list asks nobody"),
    clientInfo: { name: "vscode", version: "0.1.0" },
    onStderr: () => {},
  });
  const list = new ModelList(daemon, ICON);
  t.after(async () => {
    list.dispose();
    await daemon.dispose();
  });
  assert.deepEqual(await list.models(false), []);
  assert.equal(list.isKnown, false);
});

test("with a daemon and no key the list is empty, and known to be so", LIMIT, async (t) => {
  const { daemon } = await daemonOf(t);
  const list = new ModelList(daemon, ICON);
  t.after(() => list.dispose());
  assert.deepEqual(await list.models(false), []);
  assert.equal(list.isKnown, true);
});

test("a list of 250 models comes in pages, and how long it takes is printed", LIMIT, async (t) => {
  const { daemon, client } = await daemonOf(t);
  const { items } = await client.model.list({ allProviders: true });
  const [model] = items;
  assert.ok(model);
  const many = Array.from({ length: 250 }, (_, index) => ({ ...model, id: `model-${index}`, name: null }));
  client.model.list = async ({ cursor } = {}) => {
    await client.provider.list({ limit: 1 }); // as long as an answer of the daemon takes
    const start = Number(cursor ?? 0);
    return { items: many.slice(start, start + 100), nextCursor: start < 200 ? String(start + 100) : null, stale: false, failures: [] };
  };
  const models = new ModelList(daemon, ICON);
  t.after(() => models.dispose());
  const begin = performance.now();
  const all = await models.models(false);
  t.diagnostic(`${all.length} models in ${(performance.now() - begin).toFixed(1)} ms`);
  assert.deepEqual(all.map(({ target: { model } }) => model), many.map(({ id }) => id));
});
