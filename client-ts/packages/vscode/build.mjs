/**
 * Bundles the extension into `dist/extension.cjs`, with the licences of what is in it, and copies the
 * page of `byokd ui` into `dist/page`.
 */

import { cp, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const { metafile } = await build({
  absWorkingDir: here("."),
  entryPoints: ["src/extension.ts"],
  outfile: "dist/extension.cjs",
  bundle: true,
  minify: true,
  charset: "utf8",
  format: "cjs",
  platform: "node",
  target: "node20",
  external: ["vscode"],
  legalComments: "none",
  metafile: true,
});

const packages = Object.keys(metafile.inputs).map((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0]);
const texts = [...new Set(packages.filter(Boolean))].toSorted().map(licence);
await writeFile(here("dist/LICENSES.txt"), (await Promise.all(texts)).join("\n\n"));

await rm(here("dist/page"), { recursive: true, force: true });
await mkdir(here("dist/page"), { recursive: true });
for (const name of ["page.js", "page.css", "LICENSES.txt"]) {
  await cp(here(`../../../server/byokd/ui/assets/${name}`), here(`dist/page/${name}`));
}

async function licence(path) {
  const folder = here(path);
  const name = (await readdir(folder)).find((file) => /^licen[cs]e/i.test(file));
  if (!name) throw new Error(`${path} has no file with its licence`);
  return `extension.cjs contains ${path.split("node_modules/").at(-1)}, under this licence:\n\n${await readFile(join(folder, name), "utf8")}`;
}
