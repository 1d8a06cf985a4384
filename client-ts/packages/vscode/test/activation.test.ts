/** Activation does nothing that takes time: it starts no program, reads no file and waits for nothing. */

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire, isBuiltin } from "node:module";
import { tmpdir } from "node:os";
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
  set: () => true,
  apply: () => anything,
  construct: () => anything as object,
});

/** VS Code without settings; `onContext` gets each `setContext`. */
function stub(onContext: (name: unknown, value: unknown) => void): unknown {
  const own: Record<string, unknown> = {
    workspace: partly({ isTrusted: true, getConfiguration: () => ({ get: () => undefined }) }),
    lm: partly({ selectChatModels: async () => [] }),
    commands: partly({ executeCommand: async (_: string, name: unknown, value: unknown) => onContext(name, value) }),
  };
  return partly(own);
}

/** These members, and `anything` for all others. */
function partly(own: Record<string, unknown>): object {
  const get = (_: object, name: string | symbol): unknown => (typeof name === "string" && name in own ? own[name] : Reflect.get(anything as object, name));
  const proxy: object = new Proxy(function () {}, { get, getPrototypeOf: () => proxy });
  return proxy;
}

/** Load the bundle that `npm test` has built, as VS Code does; `calls` gets the functions of heavy modules that are called. */
async function load(vscode: unknown, calls: string[]): Promise<{ activate(context: unknown): unknown; required: string[] }> {
  const code = await readFile(join(PACKAGE, "dist/extension.cjs"), "utf8");
  const required: string[] = [];
  const load = (name: string): unknown => {
    required.push(name);
    if (name === "vscode") return vscode;
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
  const home = await mkdtemp(join(tmpdir(), "byokd-activation-"));
  t.after(() => rm(home, { recursive: true }));
  Object.assign(process.env, { PATH: "", HOME: home, USERPROFILE: home }); // no daemon is there
  const calls: string[] = [];
  let report = (): void => {};
  const missing = new Promise<void>((resolve) => (report = resolve));
  const vscode = stub((name, value) => void (name === "byokd.daemon" && value === "notFound" && report()));
  const began = performance.now();
  const { activate, required } = await load(vscode, calls);
  const loaded = performance.now();
  const subscriptions: unknown[] = [];
  const result = activate(partly({ subscriptions, extensionPath: PACKAGE, extension: partly({ id: "byokd.byokd", packageJSON: { version: "0.1.0" } }) }));
  const during = [...calls];
  t.diagnostic(`figures: the extension is loaded in ${(loaded - began).toFixed(1)} ms and activated in ${(performance.now() - loaded).toFixed(1)} ms`);
  assert.equal(result, undefined);
  assert.deepEqual(during, []);
  assert.ok(subscriptions.length > 0);
  assert.deepEqual(required.filter((name) => name !== "vscode" && !isBuiltin(name)), []);
  await missing; // the search for the daemon has ended
  assert.deepEqual(calls.filter((name) => name.includes("child_process")), []);
});
