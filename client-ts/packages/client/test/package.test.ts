/**
 * The package as a program gets it: packed, installed without a network in a strict project, and used
 * by the code of its README.
 */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import * as api from "../src/index.js";

const run = promisify(execFile);
const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));
const MODULES = fileURLToPath(new URL("../../../../node_modules/", import.meta.url));
const NPM = process.platform === "win32" ? "npm.cmd" : "npm";
const QUIET = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--no-update-notifier"];
const STRICT = {
  compilerOptions: {
    target: "es2022",
    lib: ["es2023", "esnext.disposable"],
    module: "nodenext",
    types: ["node"],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noPropertyAccessFromIndexSignature: true,
    verbatimModuleSyntax: true,
    noEmit: true,
    skipLibCheck: false,
  },
  include: ["*.ts"],
};

/** Run a program; fail with what it printed. */
async function output(program: string, args: string[], cwd: string): Promise<string> {
  try {
    return (await run(program, args, { cwd })).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${program} ${args.join(" ")}\n${stdout}${stderr}`, { cause: error });
  }
}

/** Pack this package and what it needs, and install the archives in a project of its own. */
async function installed(t: TestContext): Promise<{ project: string; files: string[] }> {
  const folder = await mkdtemp(join(tmpdir(), "byokd-package-"));
  t.after(() => rm(folder, { recursive: true }));
  const archives: string[] = [];
  let files: string[] = [];
  for (const source of [PACKAGE, ...["@hpke/core", "@hpke/common", "vscode-jsonrpc"].map((name) => join(MODULES, name))]) {
    const packed = await output(NPM, ["pack", source, "--json", "--pack-destination", folder, ...QUIET], folder);
    const [archive]: { filename: string; files: { path: string }[] }[] = JSON.parse(packed);
    assert.ok(archive);
    if (source === PACKAGE) files = archive.files.map(({ path }) => path);
    archives.push(join(folder, archive.filename.replace("@", "").replace("/", "-")));
  }
  const project = join(folder, "project");
  await mkdir(project);
  await writeFile(join(project, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }));
  await output(NPM, ["install", "--offline", "--cache", join(folder, "cache"), ...QUIET, ...archives], project);
  return { project, files };
}

/** Return the blocks of code of the README. */
async function blocks(): Promise<string[]> {
  const readme = await readFile(join(PACKAGE, "README.md"), "utf8");
  return [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = ""]) => code);
}

test("the package installs without a network, and the README compiles in a strict project", async (t) => {
  const { project, files } = await installed(t);
  for (const name of ["README.md", "LICENSE", "package.json", "dist/src/index.js", "dist/src/index.d.ts", "src/index.ts"]) {
    assert.ok(files.includes(name), name);
  }
  assert.deepEqual(files.filter((name) => /test|\.vsix|\.tgz/.test(name)), []);
  for (const name of ["@types", "undici-types"]) await symlink(join(MODULES, name), join(project, "node_modules", name), "junction");
  await writeFile(join(project, "tsconfig.json"), JSON.stringify(STRICT));
  const code = await blocks();
  const declared = 'declare const client: import("@byokd/client").Client;\n';
  await Promise.all(
    code.map((text, index) => {
      const usesClient = /\bclient\./.test(text) && !/const client\b/.test(text);
      return writeFile(join(project, `readme${index}.ts`), (usesClient ? declared : "") + text);
    }),
  );
  const compiler = join(MODULES, "typescript", "bin", "tsc");
  await output(process.execPath, [compiler, "-p", project], project);
  await writeFile(join(project, "wrong.ts"), `import { Client } from "@byokd/client";\nawait Client.start({ comand: "byokd" });\n`);
  await assert.rejects(output(process.execPath, [compiler, "-p", project], project), /comand/);

  const names = Object.keys(api).sort().join();
  const print = "console.log(Object.keys(api).sort().join())";
  await writeFile(join(project, "esm.mjs"), `import * as api from "@byokd/client";\n${print}`);
  assert.equal((await output(process.execPath, ["esm.mjs"], project)).trim(), names);
  const canRequire = Boolean((process.features as { require_module?: boolean }).require_module);
  if (canRequire) {
    await writeFile(join(project, "cjs.cjs"), `const api = require("@byokd/client");\n${print}`);
    assert.equal((await output(process.execPath, ["--no-warnings", "cjs.cjs"], project)).trim(), names);
  }
  const loaded = canRequire ? "imported and required" : "imported (this Node cannot require ESM)";
  t.diagnostic(`figures: the package has ${files.length} files, ${code.length} blocks of its README compile, ${loaded}`);
});

test("the README shows every export, and every member of Client", async () => {
  const code = (await blocks()).join("\n");
  const index = await readFile(join(PACKAGE, "src", "index.ts"), "utf8");
  const types = [...index.matchAll(/^export (type )?\{(.*?)\} from/gms)].flatMap(([, , names = ""]) =>
    names.split(",").map((name) => name.replace(/\btype\b/, "").trim()),
  );
  const generated = await readFile(join(PACKAGE, "src", "generated.ts"), "utf8");
  const [head = ""] = generated.split("export const PROTOCOL_VERSION");
  const tail = generated.slice(generated.indexOf("/** The requests of a client. */"));
  const base = [...`${head}${tail}`.matchAll(/^export (?:type|interface|function) (\w+)/gm)].map(([, name = ""]) => name);
  const members = Object.getOwnPropertyNames(api.Client.prototype).filter((name) => name !== "constructor");
  const all = new Set([...types, ...base, ...Object.keys(api), ...members].filter(Boolean));
  assert.ok(all.size > 50);
  const missing = [...all].filter((name) => !new RegExp(`\\b${name}\\b`).test(code));
  assert.deepEqual(missing, []);
});
