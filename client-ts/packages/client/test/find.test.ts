/** Where the daemon is looked for: the setting, PATH, the install place; and which programs are passed over. */

import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import { Client, findDaemon, StartError, type DaemonSearch } from "../src/index.js";
import { candidates, isOlder, type System } from "../src/find.js";
import { invocation } from "../src/program.js";

const SKIP = process.platform === "win32" ? "the programs of these tests are shell scripts" : false;
const STUB = fileURLToPath(new URL("../testing/stub.js", import.meta.url));
/** Much longer than a program takes to tell its version, so that the tests do not depend on the speed of the machine. */
const TIMEOUT_MS = 120_000;
const ANSWER = 'echo "byokd, version 0.2.0"';

/** A home folder of its own, named to find errors of quoting; `program` writes a shell script into it. */
async function home(t: TestContext): Promise<{ folder: string; program: (name: string, script?: string) => Promise<string> }> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "byokd häuschen & co ")));
  const before = { HOME: process.env["HOME"], PATH: process.env["PATH"] };
  process.env["HOME"] = folder;
  process.env["PATH"] = join(folder, "bin");
  t.after(async () => {
    Object.assign(process.env, before);
    await rm(folder, { recursive: true });
  });
  const program = async (name: string, script = ANSWER): Promise<string> => {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `#!/bin/sh\n${script}\n`);
    await chmod(path, 0o755);
    return path;
  };
  return { folder, program };
}

function result(search: DaemonSearch): [path: string, place: string, version: string | null] {
  if (search.path === null) assert.fail(search.message);
  return [search.path, search.place, search.version];
}

function message(search: DaemonSearch): string {
  assert.equal(search.path, null);
  return search.path === null ? search.message : "";
}

function passedOver({ lookedAt }: DaemonSearch): string[] {
  return lookedAt.map(({ place, reason }) => `${place} ${reason}`);
}

test("the setting comes before PATH, and PATH before the install place", { skip: SKIP }, async (t) => {
  const { program } = await home(t);
  const [installed, onPath, set] = [await program(".local/bin/byokd"), await program("bin/byokd"), await program("my/byokd")];
  assert.deepEqual(result(await findDaemon({ setting: set })), [set, "setting", null]);
  assert.deepEqual(result(await findDaemon({ setting: "~/my/byokd" })), [set, "setting", null]);
  assert.deepEqual(result(await findDaemon()), [onPath, "path", null]);
  await rm(onPath);
  assert.deepEqual(result(await findDaemon({ setting: " " })), [installed, "installPlace", null]);
});

test("a setting that names no program is not replaced by another place", { skip: SKIP }, async (t) => {
  const { folder, program } = await home(t);
  await program("bin/byokd");
  const other = await program("bin/byokd-beta");
  assert.deepEqual(result(await findDaemon({ setting: "byokd-beta" })), [other, "setting", null]);
  const missing = await findDaemon({ setting: "~/gone/byokd" });
  assert.deepEqual(message(missing), `byokd was not found: ${join(folder, "gone", "byokd")} does not exist`);
  assert.deepEqual(passedOver(await findDaemon({ setting: "./byokd" })), ["setting relative"]);
  assert.deepEqual(passedOver(await findDaemon({ setting: "byokd-gamma" })), ["setting missing"]);
});

test("what cannot be executed is passed over, and all places are told", { skip: SKIP }, async (t) => {
  const { folder, program } = await home(t);
  await chmod(await program("bin/byokd"), 0o644);
  await mkdir(join(folder, ".local", "bin", "byokd"), { recursive: true });
  const search = await findDaemon();
  assert.deepEqual(passedOver(search), ["path notExecutable", "installPlace notExecutable"]);
  assert.match(message(search), /bin\/byokd is not a program/);
  await rm(join(folder, ".local"), { recursive: true });
  await rm(join(folder, "bin"), { recursive: true });
  const nothing = await findDaemon();
  const place = join(folder, ".local", "bin", "byokd");
  assert.equal(message(nothing), `byokd was not found on PATH, nor as ${place}`);
});

test("relative entries of PATH are not followed", { skip: SKIP }, async (t) => {
  const { folder, program } = await home(t);
  await program("bin/byokd");
  const start = process.cwd();
  process.chdir(folder);
  t.after(() => process.chdir(start));
  process.env["PATH"] = ["", ".", "bin", "./bin"].join(delimiter);
  const reasons = passedOver(await findDaemon());
  assert.deepEqual(reasons, ["path relative", "path relative", "path relative", "installPlace missing"]);
});

test("programs inside an untrusted folder are not used, whatever leads to them", { skip: SKIP }, async (t) => {
  const { folder, program } = await home(t);
  const workspace = join(folder, "workspace");
  const evil = await program("workspace/tools/byokd");
  await symlink(workspace, join(folder, "link"));
  await mkdir(join(folder, "bin"));
  await symlink(evil, join(folder, "bin", "byokd"));
  const beside = await program("workspace-2/byokd");
  const untrustedFolders = [join(folder, "link")];
  process.env["PATH"] = [dirname(evil), join(folder, "link", "tools"), join(folder, "bin")].join(delimiter);
  const search = await findDaemon({ untrustedFolders });
  assert.deepEqual(passedOver(search), [...Array<string>(3).fill("path untrusted"), "installPlace missing"]);
  process.env["PATH"] += delimiter + dirname(beside);
  assert.deepEqual(result(await findDaemon({ untrustedFolders })), [beside, "path", null]);
});

test("with a version check, programs that are not a byokd that is new enough are passed over", { skip: SKIP }, async (t) => {
  const { folder, program } = await home(t);
  const scripts = [
    ...['echo "another program 1.0"', `${ANSWER}; exit 1`, "exec /nonexistent/python -m byokd", 'echo "byokd, version 0.1.9"'],
  ];
  const folders = [];
  for (const [number, script] of scripts.entries()) folders.push(dirname(await program(`${number}/byokd`, script)));
  process.env["PATH"] = folders.join(delimiter);
  const installed = await program(".local/bin/byokd");
  const search = await findDaemon({ minVersion: "0.1.10", versionTimeoutMs: TIMEOUT_MS });
  assert.deepEqual(result(search), [installed, "installPlace", "0.2.0"]);
  const reasons = [...Array<string>(3).fill("path notByokd"), "path older"];
  assert.deepEqual(passedOver(search), reasons);
  assert.equal(search.lookedAt[3]?.version, "0.1.9");
  process.env["PATH"] = join(folder, "3");
  assert.deepEqual(result(await findDaemon({ checkVersion: true, versionTimeoutMs: TIMEOUT_MS })), [join(folder, "3", "byokd"), "path", "0.1.9"]);
  const all = await findDaemon({ minVersion: "9.0", versionTimeoutMs: TIMEOUT_MS });
  assert.match(message(all), /3\/byokd is too old \(0\.1\.9\), .*\.local\/bin\/byokd is too old \(0\.2\.0\)$/);
});

test("a program that never tells its version is ended and passed over", { skip: SKIP }, async (t) => {
  const { program } = await home(t);
  await program("bin/byokd", `exec '${process.execPath}' -e 'setInterval(() => {}, 1000)'`);
  const search = await findDaemon({ checkVersion: true, versionTimeoutMs: 50 });
  assert.deepEqual(passedOver(search), ["path noAnswer", "installPlace missing"]);
  assert.match(message(search), /does not answer/);
});

test("the version is asked for without the variables of the editor", { skip: SKIP }, async (t) => {
  const { program } = await home(t);
  process.env["BYOKD_TEST_KEY"] = "1";
  t.after(() => delete process.env["BYOKD_TEST_KEY"]);
  await program("bin/byokd", `echo "byokd, version 1.\${BYOKD_TEST_KEY:-0}"`);
  assert.equal(result(await findDaemon({ checkVersion: true, versionTimeoutMs: TIMEOUT_MS }))[2], "1.0");
});

test("start without a command uses the daemon that is found", { skip: SKIP }, async (t) => {
  const { program } = await home(t);
  await assert.rejects(Client.start(), (error) => error instanceof StartError && error.reason === "notFound" && /install byokd/.test(error.message));
  await program(".local/bin/byokd", `exec '${process.execPath}' '${STUB}' good "$@"`);
  const client = await Client.start();
  const { argv } = (await client.vault.status()) as unknown as { argv: string[] };
  await client.close();
  assert.deepEqual(argv, ["--stdio"]);
});

test("on Windows programs and batch files are looked for, in folders with drive letters", () => {
  const system: System = { platform: "win32", home: "C:\\Users\\Ä b", path: 'C:\\Tools;"D:\\more tools";tools;;C:\\Tools' };
  const places = candidates(undefined, system).map(({ path, place, refused }) => `${place} ${path} ${refused ?? ""}`.trim());
  assert.deepEqual(places, [
    ...["path C:\\Tools\\byokd.exe", "path C:\\Tools\\byokd.cmd", "path D:\\more tools\\byokd.exe", "path D:\\more tools\\byokd.cmd"],
    ...["path tools relative", "installPlace C:\\Users\\Ä b\\.local\\bin\\byokd.cmd"],
  ]);
  const paths = (setting: string): string[] => candidates(setting, system).map(({ path, refused }) => refused ?? path);
  assert.deepEqual(paths("~\\bin\\byokd.cmd"), ["C:\\Users\\Ä b\\bin\\byokd.cmd"]);
  assert.deepEqual(paths("E:/byokd"), ["E:/byokd.exe", "E:/byokd.cmd"]);
  assert.deepEqual(paths("bin\\byokd"), ["relative"]);
});

test("on Windows a batch file is started through the shell, and never with an argument that the shell reads", () => {
  const start = invocation("C:\\Users\\a & b\\byokd.cmd", ["--stdio", "--data-dir", "D:\\x y"], "win32");
  assert.deepEqual(start.args.slice(0, 4), ["/d", "/v:off", "/s", "/c"]);
  assert.equal(start.args[4], '""C:\\Users\\a & b\\byokd.cmd" "--stdio" "--data-dir" "D:\\x y""');
  assert.equal(start.windowsVerbatimArguments, true);
  for (const argument of ['a" & calc', "%PATH%", "a\nb"]) {
    assert.throws(() => invocation("C:\\byokd.cmd", [argument], "win32"), StartError);
    assert.deepEqual(invocation("C:\\byokd.exe", [argument], "win32").args, [argument]);
    assert.equal(invocation("/bin/byokd.cmd", [argument], "linux").command, "/bin/byokd.cmd");
  }
});

test("versions are compared by their numbers", () => {
  const older: [string, string][] = [["0.1.9", "0.1.10"], ["0.1", "0.1.1"], ["0.9.0", "1.0"], ["nonsense", "0.1"]];
  for (const [version, than] of older) assert.deepEqual([isOlder(version, than), isOlder(than, version)], [true, false]);
  for (const same of ["0.1.0", "0.1.0rc1", "0.1"]) assert.equal(isOlder(same, "0.1.0"), false);
});
