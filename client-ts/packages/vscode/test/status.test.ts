/** The status bar's texts, and where a question of the daemon is shown. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { KeyInfo, PromptHandler, ShowMessageRequest, VaultInfo } from "@byokd/client";

import { Emitter } from "../src/daemon/emitter.js";
import type { DaemonService } from "../src/daemon/service.js";
import { Overview, type Snapshot } from "../src/status/overview.js";
import { Questions, type QuestionPlaces } from "../src/status/questions.js";
import { summaryOf } from "../src/status/summary.js";
import { KEY, Sandbox, SKIP, testingDaemons } from "../testing/sandbox.js";

const LIMIT = { timeout: 30_000 };
const REAL = { timeout: 120_000, skip: SKIP };

const key = (more: Partial<KeyInfo> = {}): KeyInfo => ({
  keyId: "key_a", provider: "mistral", label: "work", isDefault: true, origin: "https://api.mistral.ai", baseUrl: null, allowInsecureOrigin: false,
  last4: "cdef", fingerprint: "f", fields: {}, state: "active", reason: null, version: 1, createdAt: 1, rotatedAt: null, lastUsedAt: null, disabledAt: null, ...more,
});

const snapshot = (keys: readonly KeyInfo[], state: VaultInfo["state"] = "unlocked", more: Partial<Snapshot> = {}): Snapshot => ({
  daemon: "running",
  vault: { state, protection: "osKeyring", degraded: false, reason: null, hint: null, backend: null, protectsAgainst: null, doesNotProtectAgainst: null, choices: [], slots: [], audit: null, anchor: null },
  keys,
  names: new Map([["mistral", "Mistral"]]),
  ...more,
});

const CASES: readonly [string, Snapshot, string, string, object | undefined][] = [
  ["no daemon", snapshot([], "unlocked", { daemon: "notFound" }), "$(key) Set up byokd", "plain", undefined],
  ["a daemon that does not run", snapshot([], "unlocked", { daemon: "failed" }), "$(error) byokd", "error", undefined],
  ["a daemon that starts", snapshot([], "unlocked", { daemon: "starting", vault: null }), "$(key) byokd", "plain", undefined],
  ["no vault", snapshot([], "uninitialized"), "$(key) Add AI key", "plain", { view: "addKey" }],
  ["no key", snapshot([]), "$(key) Add AI key", "plain", { view: "addKey" }],
  ["a locked vault", snapshot([key()], "locked"), "$(lock) Keys locked", "plain", { view: "vault" }],
  ["a vault that cannot be opened", snapshot([key()], "unavailable"), "$(warning) Vault", "warning", { view: "vault" }],
  ["one key", snapshot([key()]), "$(key) 1 key", "plain", undefined],
  ["keys that a person disabled", snapshot([key(), key({ state: "userDisabled" })]), "$(key) 2 keys", "plain", undefined],
  ["a rejected key", snapshot([key({ state: "softDisabled" }), key()]), "$(warning) Mistral key", "warning", { view: "providers", provider: "mistral" }],
  ["two rejected keys", snapshot([key({ state: "softDisabled" }), key({ reason: "integrity" })]), "$(warning) 2 keys", "warning", { view: "providers", provider: "mistral" }],
];

for (const [name, state, text, tone, at] of CASES) {
  test(`the status bar shows ${name}`, LIMIT, () => {
    const summary = summaryOf(state);
    assert.deepEqual({ text: summary.text, tone: summary.tone, at: summary.at }, { text, tone, at });
    assert.ok(summary.spoken.startsWith("byokd: "));
  });
}

test("the tooltip has each key with its state, and at most a dozen", LIMIT, () => {
  const { tooltip } = summaryOf(snapshot([key({ state: "suspect", label: null }), ...Array.from({ length: 14 }, () => key({ provider: "acme" }))]));
  const lines = tooltip.split("\n");
  assert.equal(lines.filter((line) => line === "- acme\\, work\\: active").length, 12);
  assert.match(tooltip, /and 3 more/);
  assert.match(summaryOf(snapshot([key({ label: null })])).tooltip, /^- Mistral\\, …cdef\\: active$/m);
  const dead = key({ provider: "zhipu", state: "softDisabled" });
  assert.match(summaryOf(snapshot([key(), dead])).tooltip, /zhipu.*rejected.*\n.*Mistral/);
});

test("names and labels are only text in the tooltip and in the bar", LIMIT, () => {
  const attack = "a|b](command:x) $(zap) <img src=x>\n# c *d*";
  const summary = summaryOf(snapshot([key({ label: attack, state: "softDisabled" })], "unlocked", { names: new Map([["mistral", attack]]) }));
  const line = summary.tooltip.split("\n").find((text) => text.includes("zap")) ?? "";
  assert.ok(line.startsWith("- a\\|b\\]\\(command\\:x\\) \\$\\(zap\\)"));
  assert.doesNotMatch(line.slice(2), /(?<!\\)[|\]()<>*#$]/);
  assert.ok(!summary.text.slice("$(warning)".length).includes("$("));
});

const QUESTION: ShowMessageRequest = {
  type: 2, message: "The key was rejected.", actions: [{ title: "Update key" }, { title: "Re-enable" }, { title: "Dismiss" }],
  _meta: { topic: "key", keyId: "key_a", provider: "mistral", label: "work", reason: "rejected" },
};

/** A window whose page can be shown and hidden, and whose notifications the test answers. */
function questionWindow() {
  const visibility = new Emitter<void>();
  const done: string[] = [];
  const open = { notified: (_: string | undefined) => {}, onPage: (_: string | null) => {} };
  let isVisible = false;
  const page: ReturnType<QuestionPlaces["page"]> = {
    ask: (_, signal) =>
      new Promise((resolve) => {
        done.push("page");
        open.onPage = resolve;
        signal.addEventListener("abort", () => (done.push("page withdrawn"), resolve(null)));
      }),
  };
  const client = { key: { enable: async ({ keyId }: { keyId: string }) => done.push(`enable ${keyId}`) }, catalog: { refresh: async () => done.push("refresh") } };
  let handler: PromptHandler = () => null;
  const daemon = { onPrompt: (set: PromptHandler) => (handler = set), client: async () => client } as unknown as DaemonService;
  new Questions(daemon, {
    page: () => (isVisible ? page : undefined),
    onDidChangeVisibility: visibility.event,
    notify: () => new Promise((resolve) => (done.push("notification"), (open.notified = resolve))),
    open: (at) => done.push(`open ${at.provider} ${at.keyId}`),
    fail: (error) => done.push(`failed ${String(error)}`),
  });
  const show = (shown: boolean) => ((isVisible = shown), visibility.fire());
  return { ask: (signal = new AbortController().signal, params = QUESTION) => handler(params, signal), done, open, show };
}

test("a question is a notification while nobody sees the page, and Update key opens the form", LIMIT, async () => {
  const { ask, done, open } = questionWindow();
  const answer = ask();
  open.notified("Update key");
  assert.equal(await answer, "Update key");
  assert.deepEqual(done, ["notification", "open mistral key_a"]);
});

test("a question that a person closes has no answer", LIMIT, async () => {
  const { ask, open } = questionWindow();
  const answer = ask();
  open.notified(undefined);
  assert.equal(await answer, null);
});

test("a question is on the page while a person sees it, and only there", LIMIT, async () => {
  const { ask, done, open, show } = questionWindow();
  show(true);
  const answer = ask();
  open.onPage("Re-enable");
  assert.equal(await answer, "Re-enable");
  assert.deepEqual(done, ["page"]);
});

test("a question without an answer becomes a notification when the page is hidden", LIMIT, async () => {
  const { ask, done, open, show } = questionWindow();
  show(true);
  const answer = ask();
  show(true); // the page got or lost the focus
  show(false);
  await new Promise(setImmediate); // the question moves
  assert.deepEqual(done, ["page", "page withdrawn", "notification"]);
  open.notified("Dismiss");
  assert.equal(await answer, "Dismiss");
});

test("a withdrawn question leaves the page, and a notification of it still does what it says", LIMIT, async () => {
  const { ask, done, open, show } = questionWindow();
  show(true);
  const onPage = new AbortController();
  const first = ask(onPage.signal);
  onPage.abort();
  assert.equal(await first, null);
  show(false);
  const notified = new AbortController();
  const second = ask(notified.signal);
  notified.abort();
  assert.equal(await second, null);
  open.notified("Re-enable");
  await new Promise(setImmediate); // the client is called
  assert.deepEqual(done, ["page", "page withdrawn", "notification", "enable key_a"]);
});

test("a second window sees keys and the vault change, without a question of its own", REAL, async (t) => {
  const [sandbox, [first, second]] = await Promise.all([Sandbox.start(t), testingDaemons(t, 2)]);
  assert.ok(first && second);
  const [client] = await Promise.all([first.client(), second.client()]);
  const overview = new Overview(second);
  t.after(() => overview.dispose());
  const until = async (text: string): Promise<void> => {
    if (summaryOf(overview.snapshot).text === text) return;
    await new Promise<void>((resolve) => {
      const watch = overview.onDidChange((state) => {
        if (summaryOf(state).text !== text) return;
        watch.dispose();
        resolve();
      });
    });
  };
  await client.vault.initialize({ protection: "keyFile", acceptRisk: "keyFile" });
  await until("$(key) Add AI key");
  const { key: stored } = await client.storeKey({ provider: "openai-compatible", apiKey: KEY, baseUrl: sandbox.baseUrl });
  await until("$(key) 1 key");

  let questions = 0;
  const question = new Promise<void>((resolve) => first.onPrompt(() => (resolve(), null)));
  second.onPrompt(() => ((questions += 1), null));
  await sandbox.control(KEY, false);
  for (let chats = 0; chats < 3; chats += 1) {
    const chat = client.chat({ provider: "openai-compatible", model: "sandbox-echo", messages: [{ role: "user", content: "hello" }] });
    await assert.rejects(chat.result, { kind: "keyInvalid" });
  }
  await question;
  await until("$(warning) OpenAI-compatible key");
  await sandbox.control(KEY, true);
  await client.rotateKey({ keyId: stored.keyId, apiKey: KEY });
  await until("$(key) 1 key");
  await client.key.delete({ keyId: stored.keyId });
  await until("$(key) Add AI key");
  assert.equal(questions, 0);
});
