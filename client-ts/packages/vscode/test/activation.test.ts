/** Activation does nothing that takes time: it starts no program, reads no file and waits for nothing. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire, isBuiltin } from "node:module";
import { join } from "node:path";
import { test } from "node:test";

import { PACKAGE } from "../testing/manifest.js";

const require = createRequire(import.meta.url);
/** Modules whose functions start programs, read files or open sockets. */
const HEAVY = /^(node:)?(child_process|fs|fs\/promises|net|http|https|tls|dns|worker_threads)$/;

/** Takes every use: property, call, construction and loop. */
const anything: unknown = new Proxy(function () {}, {
  get: (_, name) => (name === "then" ? undefined : name === Symbol.toPrimitive ? () => "" : anything),
  getPrototypeOf: () => anything as object, // the bundle makes an object that inherits from the module
  apply: () => anything,
  construct: () => anything as object,
});

/** Load the bundle that `npm test` has built, as VS Code does; `calls` gets the functions of heavy modules that are called. */
async function load(calls: string[]): Promise<{ activate(context: unknown): unknown; required: string[] }> {
  const code = await readFile(join(PACKAGE, "dist/extension.cjs"), "utf8");
  const required: string[] = [];
  const load = (name: string): unknown => {
    required.push(name);
    if (name === "vscode") return anything;
    const loaded: Record<string, unknown> = require(name);
    return HEAVY.test(name) ? watched(name, loaded, calls) : loaded;
  };
  const module = { exports: {} as { activate(context: unknown): unknown } };
  new Function("require", "module", "exports", code)(load, module, module.exports);
  return { activate: module.exports.activate, required };
}

function watched(name: string, loaded: Record<string, unknown>, calls: string[]): unknown {
  return new Proxy(loaded, {
    get: (target, key: string) => {
      const value = target[key];
      if (typeof value !== "function" || /^[A-Z]/.test(key)) return value;
      return (...args: unknown[]) => (calls.push(`${name}.${key}`), value(...args));
    },
  });
}

test("activation starts no program, reads no file and waits for nothing", { timeout: 60_000 }, async (t) => {
  const calls: string[] = [];
  const began = performance.now();
  const { activate, required } = await load(calls);
  const loaded = performance.now();
  const subscriptions: unknown[] = [];
  const context = { subscriptions, extensionPath: PACKAGE, extension: { id: "byokd.byokd", packageJSON: { version: "0.1.0" } } };
  const result = activate(new Proxy(context, { get: (target, key) => Reflect.get(target, key) ?? anything }));
  const during = [...calls];
  t.diagnostic(`figures: the extension is loaded in ${(loaded - began).toFixed(1)} ms and activated in ${(performance.now() - loaded).toFixed(1)} ms`);
  assert.equal(result, undefined);
  assert.deepEqual(during, []);
  assert.ok(subscriptions.length > 0);
  assert.deepEqual(required.filter((name) => name !== "vscode" && !isBuiltin(name)), []);
});
