/** Which Python makes the daemon's environment, and what a person reads where there is none. */

import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { test, type TestContext } from "node:test";

import { findPython } from "../src/daemon/python.js";

const LIMIT = { timeout: 60_000, skip: process.platform === "win32" ? "the programs of this test are shell scripts" : false };

/** Make a folder with programs that answer as these Pythons. */
async function folderOf(t: TestContext, pythons: Record<string, { version: [number, number]; hasVenv: boolean } | string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "byokd-pythons-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const [name, answer] of Object.entries(pythons)) {
    const path = join(folder, name);
    await writeFile(path, `#!/bin/sh\necho '${typeof answer === "string" ? answer : JSON.stringify(answer)}'\n`);
    await chmod(path, 0o755);
  }
  return folder;
}

test("the newest Python that fits is used", LIMIT, async (t) => {
  const folder = await folderOf(t, {
    "python3.13": { version: [3, 13], hasVenv: false },
    "python3.12": { version: [3, 12], hasVenv: true },
    "python3.11": { version: [3, 11], hasVenv: true },
    python3: { version: [3, 15], hasVenv: true },
  });
  assert.deepEqual(await findPython(undefined, folder), { python: { path: join(folder, "python3.12"), version: "3.12" } });
});

test("folders of PATH that are relative are not searched, and a program is asked once", LIMIT, async (t) => {
  const folder = await folderOf(t, { python3: "this is no python" });
  await symlink(join(folder, "python3"), join(folder, "python"));
  const search = await findPython(undefined, [".", "bin", folder].join(delimiter));
  assert.ok("message" in search && search.message.startsWith("Python was not found"));
});

test("the message says what is missing", LIMIT, async (t) => {
  const old = await folderOf(t, { python3: { version: [3, 9], hasVenv: true } });
  const bare = await folderOf(t, { python3: { version: [3, 11], hasVenv: false } });
  const messages = await Promise.all([old, bare, ""].map((path) => findPython(undefined, path)));
  const expected = [/python3 is 3\.9/, /comes without venv/, new RegExp("was not found")];
  messages.forEach((search, i) => assert.match("message" in search ? search.message : "", expected[i] ?? /never/));
});

test("a Python that the person chose is final", LIMIT, async (t) => {
  const folder = await folderOf(t, { old: { version: [3, 10], hasVenv: true }, python3: { version: [3, 12], hasVenv: true } });
  for (const [name, expected] of [["old", /which is 3\.10/], ["missing", /is not a Python that works/]] as const) {
    const search = await findPython(join(folder, name), folder);
    assert.match("message" in search ? search.message : "", expected);
  }
});
