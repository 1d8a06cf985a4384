/**
 * Where the programs are that these tests drive, and why the tests cannot run where one is missing.
 *
 * `BYOKD_PYTHON` is a Python that has byokd. `BYOKD_CODE_SERVER` is the `entry.js` of code-server, which is
 * VS Code served to a browser, and `BYOKD_CODE_SERVER_NODE` the Node that runs it; `python3 tests --long`
 * installs both in `.venv/code-server`. `BYOKD_CHROMIUM` is the browser.
 */

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The top of the repository. */
export const ROOT = topOf(dirname(fileURLToPath(import.meta.url)));

const INSTALLED = join(ROOT, ".venv", "code-server");

export const PYTHON = process.env["BYOKD_PYTHON"] ?? "";
export const CHROMIUM = process.env["BYOKD_CHROMIUM"] ?? "/usr/bin/chromium";
export const CODE_SERVER = process.env["BYOKD_CODE_SERVER"] ?? join(INSTALLED, "node_modules", "code-server", "out", "node", "entry.js");
export const CODE_SERVER_NODE = process.env["BYOKD_CODE_SERVER_NODE"] ?? join(INSTALLED, "bin", "node");
export const VSIX = process.env["BYOKD_VSIX"] ?? join(ROOT, "client-ts", "packages", "vscode", "dist", "byokd.vsix");

/** Where pictures of each step are written, if anywhere. */
export const SCREENS = process.env["BYOKD_SCREENS"];

/** Why these tests cannot run here, or false. */
export const SKIP: string | false = reason() ?? false;

function reason(): string | undefined {
  if (PYTHON === "") return "BYOKD_PYTHON is not set";
  if (!existsSync(CHROMIUM)) return `${CHROMIUM} is not installed`;
  if (!existsSync(CODE_SERVER) || !existsSync(CODE_SERVER_NODE)) return "code-server is not installed; `python3 tests --long` installs it";
  if (!isOnPath("dbus-daemon") || !isOnPath("gnome-keyring-daemon")) return "gnome-keyring is not installed; `python3 tests --long` installs it as root";
  return undefined;
}

function isOnPath(program: string): boolean {
  return (process.env["PATH"] ?? "").split(":").some((folder) => existsSync(join(folder, program)));
}

function topOf(folder: string): string {
  if (existsSync(join(folder, "pyproject.toml"))) return folder;
  if (dirname(folder) === folder) throw new Error("these tests run in a clone of the repository");
  return topOf(dirname(folder));
}
