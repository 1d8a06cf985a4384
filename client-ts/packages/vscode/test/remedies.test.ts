/** Each action of the daemon has its button, wherever the error is shown. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ByokdError, ConnectionClosed, StartError, type Action, type ErrorData } from "@byokd/client";

import { DaemonUnavailable, notStarted } from "../src/daemon/unavailable.js";
import { failureOf } from "../src/models/failures.js";
import { remedyOf } from "../src/remedies.js";
import { readManifest } from "../testing/manifest.js";

const LIMIT = { timeout: 20_000 };
const BARE = { url: null, choices: null, details: null } as const;
const OPEN = "byokd.openProviders";

/** Every action, with the command and arguments of its button; null where a person acts elsewhere or waits. */
const ROWS: { readonly [T in Action["type"]]: readonly [Extract<Action, { type: T }>, string | null, ...unknown[]] } = {
  initializeVault: [{ ...BARE, type: "initializeVault", choices: [] }, OPEN, { view: "vault" }],
  unlockVault: [{ ...BARE, type: "unlockVault" }, "byokd.unlockVault"],
  resetVault: [{ ...BARE, type: "resetVault", storeId: "s" }, OPEN, { view: "vault" }],
  rekeyVault: [{ ...BARE, type: "rekeyVault", change: "rootKey" }, OPEN, { view: "vault" }],
  restoreBackup: [{ ...BARE, type: "restoreBackup" }, OPEN, { view: "vault" }],
  promptKey: [{ ...BARE, type: "promptKey", provider: "mistral", keyId: "key_a" }, OPEN, { view: "providers", provider: "mistral", keyId: "key_a" }],
  enableKey: [{ ...BARE, type: "enableKey", keyId: "key_a" }, OPEN, { view: "providers", provider: "mistral", keyId: "key_a" }],
  acceptOrigin: [{ ...BARE, type: "acceptOrigin", keyId: "key_a", from: "https://a.example", to: "https://b.example" }, OPEN, { view: "providers", provider: "mistral", keyId: "key_a" }],
  editSettings: [{ ...BARE, type: "editSettings", setting: "catalog.url" }, "byokd.openConfig"],
  wait: [{ ...BARE, type: "wait", retryAfterMs: 1000 }, null],
  pickModel: [{ ...BARE, type: "pickModel", provider: "mistral" }, "workbench.action.chat.openModelPicker"],
  openUrl: [{ ...BARE, type: "openUrl", url: "https://mistral.example/pay" }, "vscode.open", "https://mistral.example/pay"],
  raiseBudget: [{ ...BARE, type: "raiseBudget", budgetId: null }, null],
  refreshCatalog: [{ ...BARE, type: "refreshCatalog", accept: true }, "byokd.refreshCatalog", { accept: true }],
  checkNetwork: [{ ...BARE, type: "checkNetwork" }, OPEN, { view: "providers", provider: "mistral" }],
  freeSpace: [{ ...BARE, type: "freeSpace" }, null],
};

function errorWith(action: Action | null, provider: string | null = "mistral"): ByokdError {
  const data: ErrorData = { kind: "network", errorId: "e", retryable: false, retryAfterMs: null, provider, model: null, keyId: null, httpStatus: null, providerCode: null, providerMessage: null, providerRequestId: null, userMessage: "it failed", action, partial: null, details: null };
  return new ByokdError(-31000, data);
}

for (const [type, [action, command, ...args]] of Object.entries(ROWS)) {
  test(`an error with the action ${type} has the button ${command ?? "of nothing"}`, LIMIT, async () => {
    const remedy = remedyOf(errorWith(action));
    assert.equal(remedy?.command, command ?? undefined);
    assert.deepEqual(remedy?.arguments ?? [], args);
    if (remedy?.command.startsWith("byokd.")) {
      const { contributes } = await readManifest();
      assert.ok(contributes.commands.some((known) => known.command === remedy.command));
    }
  });
}

test("a new key's form opens for the provider that the error names", LIMIT, () => {
  const newKey = { ...BARE, type: "promptKey", provider: "mistral", keyId: null } as const;
  assert.deepEqual(remedyOf(errorWith(newKey))?.arguments, ["mistral"]);
  assert.deepEqual(remedyOf(errorWith({ ...newKey, provider: null }))?.arguments, []);
});

test("errors without an action, or with one of a newer daemon, have no button", LIMIT, () => {
  assert.equal(remedyOf(errorWith(null)), undefined);
  assert.equal(remedyOf(errorWith({ ...BARE, type: "newInLater" } as unknown as Action)), undefined); // from the wire
  assert.equal(remedyOf(errorWith({ ...BARE, type: "checkNetwork" }, null)), undefined);
  assert.equal(remedyOf(new Error("it failed")), undefined);
});

test("a daemon that is missing or ended has the button of its error", LIMIT, () => {
  const install = { title: "Install byokd", command: "byokd.installDaemon" };
  assert.equal(remedyOf(new DaemonUnavailable("it is not installed", install)), install);
  assert.equal(remedyOf(new ConnectionClosed())?.command, "byokd.restartDaemon");
});

test("a sentence beside a button does not say again what the button does", LIMIT, () => {
  const { text, textBesideButton } = failureOf(errorWith({ ...BARE, type: "openUrl", url: "https://mistral.example/pay" }));
  assert.equal(text, "It failed. See https://mistral.example/pay.");
  assert.equal(textBesideButton, "It failed.");
});

test("a daemon that cannot read its configuration has the button for that file", LIMIT, () => {
  const program = { command: "/opt/byokd", args: [], place: "path" } as const;
  const commandFor = (stderr: string) => notStarted(new StartError("exited", `it ended: ${stderr}`), program, "/etc/byokd/config.toml").action.command;
  assert.equal(commandFor("/etc/byokd/config.toml: is not valid TOML"), "byokd.openConfig");
  assert.equal(commandFor("no space left"), "byokd.showLog");
});
