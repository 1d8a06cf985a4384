/** How the extension runs the daemon's installer: its lines, its errors, its end, and what it gets. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { InstallFailed, runInstaller, type InstallerLine, type InstallerOptions } from "../src/daemon/installer.js";
import { packagesWith } from "../testing/installer.js";

const PYTHON = process.env["BYOKD_PYTHON"] ?? "";
const LIMIT = { timeout: 60_000, skip: PYTHON ? false : "BYOKD_PYTHON is not set" };
const PRINT = "import json, sys\ndef say(**fields): print(json.dumps(fields), flush=True)\n";

async function run(t: TestContext, code: string, options: Partial<InstallerOptions> = {}) {
  const lines: InstallerLine[] = [];
  let output = "";
  const packages = await packagesWith(t, PYTHON, PRINT + code);
  const done = runInstaller({
    command: "install",
    python: PYTHON,
    packages,
    signal: new AbortController().signal,
    ...options,
    onLine: (line) => (lines.push(line), options.onLine?.(line)),
    onOutput: (text) => (output += text),
  });
  return { done, lines, packages, output: () => output };
}

test("the installer of the wheel gets the wheel and the lock, and its lines arrive in order", LIMIT, async (t) => {
  const { done, lines, packages } = await run(
    t,
    `say(type="step", step="environment", message=" ".join(sys.argv[1:]))
say(type="unknown")
print("not json")
say(type="packages", done=1, total=2)
say(type="done", message="done", version="9.9.9", command="c", onPath=True)`,
  );
  await done;
  assert.deepEqual(lines.map(({ type }) => type), ["step", "packages", "done"]);
  const [first] = lines;
  assert.ok(first?.type === "step");
  assert.match(first.message, /^install --wheel \S*byokd-9\.9\.9-py3-none-any\.whl --lock \S+ --json-progress$/);
  assert.ok(first.message.includes(join(packages, "requirements.lock")));
});

test("wheels on disk replace the package index, and only for an installation", LIMIT, async (t) => {
  for (const command of ["install", "uninstall"] as const) {
    const { done, lines } = await run(t, `say(type="note", message=" ".join(sys.argv[1:]))`, { command, findLinks: "/wheels" });
    await done;
    const message = lines[0]?.type === "note" ? lines[0].message : "";
    assert.equal(message.includes("--find-links /wheels"), command === "install");
  }
});

test("an error of the installer has what failed and what to do", LIMIT, async (t) => {
  const code = `say(type="error", message="the disk is full", hint="free some space")\nprint("details", file=sys.stderr)\nsys.exit(1)`;
  const { done, output } = await run(t, code);
  await assert.rejects(done, (error) => error instanceof InstallFailed && error.message === "the disk is full" && error.hint === "free some space");
  assert.match(output(), /details/);
});

test("an installer that ends without a word, and a Python that does not start, are errors for people", LIMIT, async (t) => {
  await assert.rejects((await run(t, "sys.exit(3)")).done, /exit code 3/);
  await assert.rejects((await run(t, "", { python: "/does/not/exist" })).done, (error) => error instanceof InstallFailed && /byokd\.python/.test(error.hint));
});

test("a cancelled installation ends the installer and what it runs", { ...LIMIT, skip: LIMIT.skip || (process.platform === "win32" && "there are no process groups") }, async (t) => {
  const abort = new AbortController();
  const code = `import subprocess, signal
child = subprocess.Popen([sys.executable, "-I", "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
say(type="note", message="ready")
signal.pause()`;
  const { done } = await run(t, code, { signal: abort.signal, onLine: () => abort.abort(new Error("cancelled by the person")) });
  // The child has the pipes of the installer, and its input stays open: only its end closes them.
  await assert.rejects(done, /cancelled by the person/);
});

test("the installer gets the proxy of the person, and no key of the editor's environment", LIMIT, async (t) => {
  process.env["HTTPS_PROXY"] = "http://127.0.0.1:9";
  process.env["BYOKD_TEST_API_KEY"] = "fake-key-of-the-editor";
  t.after(() => ["HTTPS_PROXY", "BYOKD_TEST_API_KEY"].forEach((name) => delete process.env[name]));
  const { done, lines } = await run(t, `import os\nsay(type="note", message=json.dumps([os.environ.get("HTTPS_PROXY"), os.environ.get("BYOKD_TEST_API_KEY")]))`);
  await done;
  assert.deepEqual(lines, [{ type: "note", message: '["http://127.0.0.1:9", null]' }]);
});
