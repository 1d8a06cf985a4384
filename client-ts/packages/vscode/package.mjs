/**
 * Makes the `.vsix` from `dist` and from the daemon's wheel and lock, without a network.
 *
 * `node package.mjs [FILE]` writes `dist/byokd.vsix`, or FILE. `BYOKD_PYTHON`, or `.venv` of the
 * project, has what builds the wheel.
 */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, constants } from "node:zlib";

import { createVSIX } from "@vscode/vsce";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const PROJECT = here("../../../");
const BUILT = ["dist/extension.cjs", "dist/LICENSES.txt", "dist/page", "media", "README.md"];
const QUALITY = 9; // the best quality is 7 % smaller and takes fifty times as long

const scratch = await mkdtemp(join(tmpdir(), "byokd-vsix-"));
try {
  await makePackage(join(scratch, "extension"), resolve(process.argv[2] ?? here("dist/byokd.vsix")));
} finally {
  await rm(scratch, { recursive: true });
}

async function makePackage(folder, file) {
  await mkdir(join(folder, "dist/daemon"), { recursive: true });
  await writeManifest(folder);
  await writeDaemon(join(folder, "dist/daemon"));
  for (const name of BUILT) await cp(here(name), join(folder, name), { recursive: true });
  for (const name of ["CHANGELOG.md", "LICENSE"]) await cp(join(PROJECT, name), join(folder, name));
  await writeFile(join(folder, ".vscodeignore"), ""); // the folder has nothing else
  await createVSIX({ cwd: folder, packagePath: file, dependencies: false, allowMissingRepository: true, rewriteRelativeLinks: false });
}

/** What only the development needs stays out of the manifest. */
async function writeManifest(folder) {
  const manifest = JSON.parse(await readFile(here("package.json"), "utf8"));
  const { private: _private, scripts: _scripts, devDependencies: _dependencies, ...shipped } = manifest;
  await writeFile(join(folder, "package.json"), `${JSON.stringify(shipped, null, 2)}\n`);
}

async function writeDaemon(folder) {
  const { stdout } = await promisify(execFile)(python(), ["-I", here("wheel.py"), scratch]);
  const name = stdout.trim();
  const wheel = await readFile(join(scratch, name));
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: QUALITY,
    [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
    [constants.BROTLI_PARAM_SIZE_HINT]: wheel.byteLength,
  };
  await writeFile(join(folder, `${name}.br`), await promisify(brotliCompress)(wheel, { params }));
  await cp(join(PROJECT, "server/requirements.lock"), join(folder, "requirements.lock"));
}

function python() {
  const programs = [process.env.BYOKD_PYTHON, join(PROJECT, ".venv/bin/python"), join(PROJECT, ".venv/Scripts/python.exe")];
  const program = programs.find((path) => path && existsSync(path));
  if (!program) throw new Error("run python3 tests once, or set BYOKD_PYTHON: the daemon's wheel needs uv_build");
  return program;
}
