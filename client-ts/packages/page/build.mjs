/**
 * Bundles the page into the daemon's package, which is committed: `byokd ui` needs no Node.
 *
 * `node build.mjs` writes the files; with `--check` it fails if the committed ones are out of date.
 */

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const ASSETS = "../../../server/byokd/ui/assets/";
const PREACT = await readFile(here("../../node_modules/preact/LICENSE"), "utf8");

const { outputFiles } = await build({
  absWorkingDir: here("."),
  entryPoints: { page: "src/main.tsx" },
  outdir: "out",
  write: false,
  bundle: true,
  minify: true,
  charset: "utf8",
  format: "esm",
  target: ["es2022", "chrome108", "firefox110", "safari16.4"],
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "none",
  banner: { js: "// Built from client-ts/packages/page; licences in LICENSES.txt. Do not edit." },
});

const files = outputFiles.map(({ path, contents }) => [path.split(/[\\/]/).pop(), Buffer.from(contents)]);
files.push(["LICENSES.txt", Buffer.from(`page.js contains Preact, under this licence:\n\n${PREACT}`)]);

for (const [name, content] of files) {
  const target = here(ASSETS + name);
  if (!process.argv.includes("--check")) await writeFile(target, content);
  else if (!content.equals(await readFile(target).catch(() => Buffer.alloc(0)))) {
    console.error(`${name} is out of date: run npm run build in client-ts`);
    process.exitCode = 1;
  }
}
