/** Bundles the extension into `dist/extension.cjs`, and copies the page of `byokd ui` into `dist/page`. */

import { cp, mkdir, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

await build({
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
});

await rm(here("dist/page"), { recursive: true, force: true });
await mkdir(here("dist/page"), { recursive: true });
for (const name of ["page.js", "page.css", "LICENSES.txt"]) {
  await cp(here(`../../../server/byokd/ui/assets/${name}`), here(`dist/page/${name}`));
}
