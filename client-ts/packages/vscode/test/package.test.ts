/** The package that people install: what is in it, its size, and its daemon. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { brotliDecompressSync } from "node:zlib";

import { Client } from "@byokd/client";

import { findProgram } from "../src/daemon/find.js";
import { runInstaller, type InstallerLine } from "../src/daemon/installer.js";
import { programFolder } from "../src/daemon/places.js";
import { PACKAGE, readManifest } from "../testing/manifest.js";

const run = promisify(execFile);
const PYTHON = process.env["BYOKD_PYTHON"] ?? "";
const SKIP = PYTHON ? false : "BYOKD_PYTHON is not set";
const LIMIT = { timeout: 60_000, skip: SKIP };
const PACKAGE_MAX_BYTES = 1_000_000;
const BUNDLE_MAX_BYTES = 400_000;
const UNZIP = "import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])";

const FILES = [
  /^package\.json$/,
  /^(readme|changelog)\.md$/,
  /^LICENSE\.txt$/,
  /^dist\/(extension\.cjs|LICENSES\.txt)$/,
  /^dist\/page\/[\w.]+\.(js|css|txt)$/,
  /^dist\/daemon\/(byokd-[\d.]+-py3-none-any\.whl\.br|requirements\.lock|\w+\.py)$/,
  /^media\/([\w-]+\/)?[\w-]+\.(svg|png|md)$/,
];

let scratch: string;
/** The extension's folder of the unpacked package. */
let folder: string;

before(async () => {
  if (SKIP) return;
  scratch = await mkdtemp(join(tmpdir(), "byokd-vsix-test-"));
  folder = join(scratch, "extension");
  await run(process.execPath, [join(PACKAGE, "package.mjs"), join(scratch, "byokd.vsix")]);
  await run(PYTHON, ["-I", "-c", UNZIP, join(scratch, "byokd.vsix"), scratch]);
}, { timeout: 180_000 });

after(async () => {
  if (!SKIP) await rm(scratch, { recursive: true });
});

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

test("the package has only what it needs, is small, and names no folder of this machine", LIMIT, async (t) => {
  const bytes = (await stat(join(scratch, "byokd.vsix"))).size;
  t.diagnostic(`figures: the package has ${bytes} bytes, the bundle ${(await stat(join(folder, "dist/extension.cjs"))).size}`);
  assert.ok(bytes < PACKAGE_MAX_BYTES, `${bytes} bytes`);
  assert.ok((await stat(join(folder, "dist/extension.cjs"))).size < BUNDLE_MAX_BYTES);
  const files = await filesOf(folder);
  assert.deepEqual(files.filter((name) => !FILES.some((pattern) => pattern.test(name.replaceAll("\\", "/")))), []);
  for (const pattern of FILES) assert.ok(files.some((name) => pattern.test(name.replaceAll("\\", "/"))), `no ${pattern}`);
  for (const name of files.filter((file) => !/\.(br|png)$/.test(file))) {
    const text = await readFile(join(folder, name), "utf8");
    for (const place of [PACKAGE, homedir() + "/", tmpdir() + "/byokd"]) assert.ok(!text.includes(place), `${name} has ${place}`);
    assert.doesNotMatch(text, /sourceMappingURL/, name);
  }
});

test("the manifest of the package has no scripts and its files exist", LIMIT, async () => {
  const shipped = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  assert.deepEqual([shipped.scripts, shipped.devDependencies, shipped.dependencies], [undefined, undefined, undefined]);
  assert.equal(shipped.version, (await readManifest()).version);
  const named = JSON.stringify(shipped).matchAll(/"(?:\.\/)?((?:media|dist)\/[^"]+)"/g);
  for (const [, name] of named) await stat(join(folder, name ?? ""));
});

test("the wheel in the package is the daemon of this version", LIMIT, async () => {
  const [name] = (await readdir(join(folder, "dist/daemon"))).filter((file) => file.endsWith(".br"));
  assert.equal(name, `byokd-${(await readManifest()).version}-py3-none-any.whl.br`);
  const wheel = join(folder, name.slice(0, -".br".length));
  await writeFile(wheel, brotliDecompressSync(await readFile(join(folder, "dist/daemon", name))));
  const { stdout } = await run(PYTHON, ["-I", "-c", "import sys, zipfile; print(zipfile.ZipFile(sys.argv[1]).testzip(), *zipfile.ZipFile(sys.argv[1]).namelist(), sep='\\n')", wheel]);
  const [damaged, ...members] = stdout.trim().split(/\r?\n/);
  assert.equal(damaged, "None");
  assert.ok(members.includes("byokd/__main__.py"));
  assert.deepEqual(members.filter((member) => /(^|\/)tests?\//.test(member)), []);
});

test("the daemon of the package is installed from wheels on disk, runs, and is uninstalled", { ...LIMIT, timeout: 180_000 }, async (t) => {
  const home = join(scratch, "home");
  const packages = join(scratch, "packages");
  await cp(join(folder, "dist/daemon"), packages, { recursive: true });
  await run(PYTHON, ["-I", join(PACKAGE, "testing/wheels.py"), join(packages, "requirements.lock"), packages]);
  await mkdir(home);
  const before = { ...process.env };
  t.after(() => Object.assign(process.env, before));
  for (const name of Object.keys(process.env).filter((variable) => variable.startsWith("XDG_"))) delete process.env[name];
  Object.assign(process.env, { HOME: home, USERPROFILE: home, LOCALAPPDATA: join(home, "AppData"), PATH: "/usr/bin:/bin" });

  const lines: InstallerLine[] = [];
  let output = "";
  const options = { python: PYTHON, packages, findLinks: packages, onLine: (line: InstallerLine) => void lines.push(line), onOutput: (text: string) => void (output += text), signal: t.signal };
  await runInstaller({ ...options, command: "install" }).catch((error: unknown) => assert.fail(`${error}\n${output}`));
  const installed = lines.find((line) => line.type === "done");
  assert.ok(installed, output);
  assert.ok(installed.command.startsWith(home));
  assert.deepEqual(lines.flatMap((line) => (line.type === "step" ? [line.step] : [])), ["environment", "packages", "program", "check", "command"]);
  assert.equal((await readdir(programFolder())).filter((name) => /^\d/.test(name)).length, 1);

  const search = await findProgram({ executable: undefined, minVersion: (await readManifest()).version, untrustedFolders: [] });
  assert.ok(search.program, JSON.stringify(search));
  assert.deepEqual([search.program.command, search.program.place], [installed.command, "installPlace"]);
  const client = await Client.start({ command: search.program.command, args: search.program.args, startTimeoutMs: 60_000 });
  assert.ok((await client.provider.list()).items.length > 20);
  await client.close();

  await runInstaller({ ...options, command: "uninstall" });
  await assert.rejects(stat(installed.command));
  assert.deepEqual(await readdir(programFolder()).catch(() => []), []);
});
