/** The rows of the Keys view. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { KeyInfo } from "@byokd/client";

import { attentionOf, rowsOf } from "../src/status/key_rows.js";
import type { Snapshot } from "../src/status/overview.js";

const KEY: KeyInfo = {
  keyId: "key_a",
  provider: "mistral",
  label: "work",
  isDefault: true,
  origin: "https://api.example",
  baseUrl: null,
  allowInsecureOrigin: false,
  last4: "9999",
  fingerprint: "f",
  fields: {},
  state: "active",
  reason: null,
  version: 1,
  createdAt: 0,
  rotatedAt: null,
  lastUsedAt: null,
  disabledAt: null,
};

function snapshot(...keys: Partial<KeyInfo>[]): Snapshot {
  const all = keys.map((key, i): KeyInfo => ({ ...KEY, keyId: `key_${i}`, ...key }));
  return { daemon: "running", vault: null, keys: all, names: new Map([["mistral", "Mistral"]]) };
}

test("rows are sorted by provider and named by label, else by the end of the key", { timeout: 10_000 }, () => {
  const rows = rowsOf(snapshot({ label: null }, { label: "home" }, { provider: "anthropic" }));
  assert.deepEqual(rows.map(({ title, description }) => [title, description]), [["anthropic", "work"], ["Mistral", "…9999"], ["Mistral", "home"]].toSorted((a, b) => (a[0] ?? "").localeCompare(b[0] ?? "")));
});

test("a key that was rejected is marked and counted, one that the person disabled is not counted", { timeout: 10_000 }, () => {
  const some = snapshot({}, { state: "softDisabled" }, { state: "userDisabled" });
  assert.deepEqual(rowsOf(some).map(({ icon }) => icon).toSorted(), ["circle-slash", "key", "warning"]);
  assert.equal(attentionOf(some), 1);
});

test("a row opens its provider", { timeout: 10_000 }, () => {
  assert.deepEqual(rowsOf(snapshot({})).map(({ at }) => at), [{ view: "providers", provider: "mistral" }]);
});
