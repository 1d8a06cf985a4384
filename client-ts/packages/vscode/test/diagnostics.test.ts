/** Diagnostics have what a report needs, and nothing that is of the person. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { KeyInfo, VaultInfo } from "@byokd/client";

import { diagnosticsOf, type Facts } from "../src/diagnostics.js";
import { DaemonUnavailable } from "../src/daemon/unavailable.js";

const KEY: KeyInfo = {
  keyId: "key_private",
  provider: "mistral",
  label: "label-private",
  isDefault: true,
  origin: "https://origin-private.example",
  baseUrl: "https://user:secret@base-private.example/v1?token=private",
  allowInsecureOrigin: false,
  last4: "z9z9",
  fingerprint: "fingerprint-private",
  fields: { region: "field-private" },
  state: "active",
  reason: null,
  version: 1,
  createdAt: 0,
  rotatedAt: null,
  lastUsedAt: null,
  disabledAt: null,
};

const VAULT: VaultInfo = {
  state: "unlocked",
  protection: "passphrase",
  degraded: false,
  reason: null,
  hint: null,
  backend: "/home-of/private/byokd",
  protectsAgainst: null,
  doesNotProtectAgainst: null,
  choices: [],
  slots: [{ id: "slot_private", kind: "passphrase", state: "active", createdAt: 0, reason: null }],
  audit: "whole",
  anchor: "kept",
};

const FACTS: Facts = {
  versions: { extension: "0.1.0", vscode: "1.139.1", node: "v22.0.0" },
  system: "linux x64 6.1",
  host: "desktop",
  place: { remoteName: undefined, runsAtWorkspace: false, isWeb: false },
  isTrusted: true,
  settings: { executable: "/home-of/private/byokd", configFile: undefined, account: "account-private" },
  daemon: { type: "failed", program: { command: "/home-of/private/bin/byokd", args: ["--stdio"], place: "setting" }, error: new DaemonUnavailable("it calls https://user:private@proxy.example", { title: "", command: "" }) },
  store: { vault: VAULT, keys: [KEY, { ...KEY, state: "softDisabled" }, { ...KEY, provider: "anthropic" }] },
  home: "/home-of/private",
};

test("diagnostics name versions, states and counts", { timeout: 10_000 }, () => {
  const text = diagnosticsOf(FACTS);
  for (const part of ["extension: 0.1.0", "VS Code: 1.139.1", "executable set, configFile not set, account another", "daemon: failed", "program: ~/bin/byokd (setting)", "vault: unlocked, protection passphrase", "keys of anthropic: 1 active", "keys of mistral: 1 active, 1 softDisabled"]) {
    assert.ok(text.includes(part), `${part} is not in\n${text}`);
  }
});

test("diagnostics have nothing of the person", { timeout: 10_000 }, () => {
  assert.doesNotMatch(diagnosticsOf(FACTS), /private|secret|z9z9|example|:\/\//);
});

test("a window in a browser does not name the server's address", { timeout: 10_000 }, () => {
  const place = { remoteName: "server.example:8080", runsAtWorkspace: true, isWeb: true };
  assert.match(diagnosticsOf({ ...FACTS, place }), /window: browser, extension at the workspace/);
  assert.match(diagnosticsOf({ ...FACTS, place: { ...place, isWeb: false } }), /window: remote, /);
});

test("without a daemon diagnostics say that the vault is not known", { timeout: 10_000 }, () => {
  assert.match(diagnosticsOf({ ...FACTS, daemon: { type: "stopped" }, store: undefined }), /daemon: stopped\nvault: not known\n$/);
});
