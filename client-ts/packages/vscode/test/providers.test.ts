/** One page and the daemon of its window: the first message, and what a person is told where there is no daemon. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { HostMessage } from "../../page/src/host.js";
import type { Daemon } from "../src/daemon/service.js";
import { pageHtml } from "../src/page/html.js";
import { ProvidersPage, type Shell } from "../src/page/providers.js";
import { daemonOf, SKIP, testingDaemons } from "../testing/sandbox.js";

const LIMIT = { timeout: 120_000 };

function pageOf(daemon: Daemon, more: Partial<Shell> = {}) {
  const messages: HostMessage[] = [];
  const done: unknown[] = [];
  let arrived = (): void => {};
  const page = new ProvidersPage(daemon, { environment: {}, home: "/" }, {
    post: async (message) => (messages.push(message), arrived()),
    save: async (name, text) => (done.push(["save", name, text]), true),
    openChat: (chat) => done.push(["openChat", chat]),
    run: ({ command }) => done.push(["run", command]),
    machine: undefined,
    ...more,
  });
  const until = async <T extends HostMessage["type"]>(type: T): Promise<Extract<HostMessage, { type: T }>> => {
    for (;;) {
      const index = messages.findIndex((message) => message.type === type);
      const [match] = index < 0 ? [] : messages.splice(0, index + 1).slice(-1);
      if (match) return match as Extract<HostMessage, { type: T }>;
      await new Promise<void>((resolve) => (arrived = resolve));
    }
  };
  return { page, messages, done, until };
}

test("the page starts the daemon, opens at its place, and is greeted again after a restart", { ...LIMIT, skip: SKIP }, async (t) => {
  const [daemon] = await testingDaemons(t, 1);
  assert.ok(daemon);
  const machine = "on the remote machine (ssh-remote)";
  const { page, messages, until } = pageOf(daemon, { machine });
  page.show({ view: "vault" });
  assert.deepEqual(messages, []); // the page does not listen yet
  page.take({ type: "ready" });
  await until("starting");
  const at = { view: "vault" };
  assert.deepEqual(await until("hello"), { type: "hello", host: "vscode", account: "default", opensChat: true, machine, at });
  page.show({ view: "audit" });
  assert.deepEqual(await until("show"), { type: "show", at: { view: "audit" } });
  await daemon.restart();
  assert.deepEqual(await until("hello"), { type: "hello", host: "vscode", account: "default", opensChat: true, machine });

  const client = await daemon.client();
  await client.vault.initialize({ protection: "memory", acceptRisk: "memory" });
  assert.equal((await until("notification")).method, "vault/changed");
  page.dispose();
  messages.length = 0;
  await client.vault.lock();
  assert.deepEqual(messages, []);
});

test("without a daemon the page has the buttons that help, and only those", LIMIT, async (t) => {
  const daemon = daemonOf(() => undefined);
  t.after(() => daemon.dispose());
  const { page, done, until } = pageOf(daemon);
  page.take({ type: "ready" });
  const { message, actions } = await until("unavailable");
  assert.match(message, /not installed/);
  assert.deepEqual(actions, ["Install byokd", "Choose the Program", "Show the Log"]);
  for (const title of ["Install byokd", "Choose the Program", "Show the Log", "rm -rf", undefined]) page.take({ type: "act", title });
  assert.deepEqual(done, [["run", "byokd.installDaemon"], ["run", "workbench.action.openSettings"], ["run", "byokd.showLog"]]);
  page.dispose();
});

test("a program that is not the daemon is told in its words", LIMIT, async (t) => {
  const daemon = daemonOf(() => ({ command: process.execPath, args: ["-e", "console.log('I am another program')"], place: "setting" }));
  t.after(() => daemon.dispose());
  const { page, until } = pageOf(daemon);
  page.take({ type: "ready" });
  const { message, actions } = await until("unavailable");
  assert.match(message, /I am another program/);
  assert.deepEqual(actions, ["Choose the Program", "Show the Log"]);
  page.dispose();
});

test("a text is saved under a name that is no path, and a chat is opened with what it needs", LIMIT, async (t) => {
  const daemon = daemonOf(() => undefined);
  t.after(() => daemon.dispose());
  const { page, done, until } = pageOf(daemon);
  page.take({ type: "save", id: 1, name: "byokd-audit.jsonl", text: "{}" });
  assert.deepEqual(await until("result"), { type: "result", id: 1, result: true });
  for (const name of ["../x", "/etc/x", "a\\b", "", "x".repeat(81)]) {
    page.take({ type: "save", id: 2, name, text: "{}" });
    assert.equal((await until("error")).error.kind, "invalidRequest");
  }
  page.take({ type: "save", id: 3, name: 1, text: "{}" });
  page.take({ type: "save", name: "byokd-audit.jsonl", text: "{}" });
  page.take({ type: "openChat", provider: "p", model: "m", prompt: "Hello", keyId: null, extra: 1 });
  page.take({ type: "openChat", provider: "p", model: "m" });
  page.take({ type: "unknown" });
  page.take(null);
  assert.deepEqual(done, [["save", "byokd-audit.jsonl", "{}"], ["openChat", { provider: "p", model: "m", prompt: "Hello", keyId: null }]]);
  page.dispose();
});

test("the page learns that no file was chosen, or why it could not be written", LIMIT, async (t) => {
  const daemon = daemonOf(() => undefined);
  t.after(() => daemon.dispose());
  const answers = [() => Promise.resolve(false), () => Promise.reject(new Error("the disk is full"))];
  const { page, until } = pageOf(daemon, { save: () => answers.shift()?.() ?? Promise.resolve(true) });
  page.take({ type: "save", id: 1, name: "byokd-audit.jsonl", text: "{}" });
  assert.deepEqual(await until("result"), { type: "result", id: 1, result: false });
  page.take({ type: "save", id: 2, name: "byokd-audit.jsonl", text: "{}" });
  assert.equal((await until("error")).error.userMessage, "The file was not saved: the disk is full");
  page.dispose();
});

test("the document loads its own two files and nothing else", LIMIT, () => {
  const html = pageHtml({ script: 'https://a/page.js?"x', style: "https://a/page.css", source: "https://a", nonce: "n1" });
  const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1] ?? "";
  assert.match(policy, /^default-src 'none'; script-src 'nonce-n1'; style-src https:\/\/a;/);
  assert.ok(!/unsafe|\*|data:|blob:/.test(policy));
  assert.deepEqual(html.match(/(?:src|href)="[^"]*"/g), ['href="https://a/page.css"', 'src="https://a/page.js?&quot;x"']);
});
