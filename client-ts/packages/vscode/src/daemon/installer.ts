/**
 * Runs `byokd.installer` from the wheel in the extension's package, with a Python of the person.
 *
 * `server/byokd/installer/__init__.py` lists the lines that it prints.
 */

import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { brotliDecompress } from "node:zlib";

import { childEnvironment, startFolder } from "@byokd/client";

import { words } from "../words.js";

/** What the installer prints; lines of other types are left out. */
export type InstallerLine =
  | { type: "step"; step: string; message: string }
  | { type: "note"; message: string }
  | { type: "packages"; done: number; total: number }
  | { type: "done"; message: string; version: string; command: string; onPath: boolean }
  | { type: "error"; message: string; hint: string };

export interface InstallerOptions {
  command: "install" | "uninstall";
  /** The program. */
  python: string;
  /** The folder with the compressed wheel and `requirements.lock`. */
  packages: string;
  /** A folder of wheels to install from, instead of the package index. */
  findLinks?: string | undefined;
  onLine: (line: InstallerLine) => void;
  /** Gets what a failed step printed. */
  onOutput: (text: string) => void;
  /** Ends the installer; the next run repairs what is half done. */
  signal: AbortSignal;
}

/** The installer ended with an error: `message` says what failed, `hint` what the person can do. */
export class InstallFailed extends Error {
  override readonly name = "InstallFailed";

  constructor(
    message: string,
    readonly hint: string,
  ) {
    super(message);
  }
}

export const LOCK = "requirements.lock";
/** Makes the modules of the wheel importable, and runs the installer in it. */
const CODE = "import sys, runpy; sys.path.append(sys.argv.pop(1)); runpy.run_module('byokd.installer', run_name='__main__', alter_sys=True)";
/** How the person's pip reaches the package index. */
const NETWORK_VARIABLES = [
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy"],
  ...["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"],
  ...["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_CERT", "PIP_PROXY", "PIP_CONFIG_FILE", "PIP_CACHE_DIR"],
] as const;
const HAS_GROUPS = process.platform !== "win32";

/** Install or uninstall. Rejects with `InstallFailed`, or with the reason of the signal. */
export async function runInstaller(options: InstallerOptions): Promise<void> {
  options.signal.throwIfAborted();
  const scratch = await mkdtemp(join(tmpdir(), "byokd-install-"));
  try {
    const wheel = await unpackWheel(options.packages, scratch);
    await run(options, wheel);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Write the wheel of the package to a folder; return its path. */
async function unpackWheel(packages: string, folder: string): Promise<string> {
  const name = (await readdir(packages)).find((file) => file.endsWith(".whl.br"));
  if (name === undefined) throw new InstallFailed(words.install.noWheel, words.install.reinstall);
  const wheel = join(folder, name.slice(0, -".br".length));
  await writeFile(wheel, await promisify(brotliDecompress)(await readFile(join(packages, name))));
  return wheel;
}

async function run({ command, python, packages, findLinks, onLine, onOutput, signal }: InstallerOptions, wheel: string): Promise<void> {
  const source = command === "install" ? ["--wheel", wheel, "--lock", join(packages, LOCK)] : [];
  const links = command === "install" && findLinks !== undefined ? ["--find-links", findLinks] : [];
  const child = spawn(python, ["-I", "-S", "-X", "utf8", "-c", CODE, wheel, command, ...source, ...links, "--json-progress"], {
    cwd: startFolder(),
    detached: HAS_GROUPS,
    env: childEnvironment({ inheritEnv: NETWORK_VARIABLES }),
    stdio: ["ignore", "pipe", "pipe"],
    windowsHide: true,
  });
  let failure: InstallFailed | undefined;
  createInterface(child.stdout).on("line", (text) => {
    const line = parsed(text);
    if (line?.type === "error") failure = new InstallFailed(line.message, line.hint);
    if (line) onLine(line);
  });
  child.stderr.setEncoding("utf8").on("data", onOutput);
  const end = (): void => interrupt(child);
  signal.addEventListener("abort", end, { once: true });
  try {
    const code = await exitOf(child);
    signal.throwIfAborted();
    if (code !== 0) throw failure ?? new InstallFailed(words.install.ended(code), words.install.seeLog);
  } finally {
    signal.removeEventListener("abort", end);
  }
}

/** Resolves with the exit code when everything was read; null after a signal. */
function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(new InstallFailed(error.message, words.install.choosePython)));
    child.on("close", resolve);
  });
}

/** End the installer and what it runs, as Ctrl-C in a terminal does. */
function interrupt({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(HAS_GROUPS ? -pid : pid, "SIGTERM");
  } catch {
    // It has ended.
  }
}

function parsed(text: string): InstallerLine | undefined {
  try {
    const line: unknown = JSON.parse(text);
    return isLine(line) ? line : undefined;
  } catch {
    return undefined;
  }
}

const TYPES: ReadonlySet<unknown> = new Set(["step", "note", "packages", "done", "error"]);

function isLine(value: unknown): value is InstallerLine {
  return typeof value === "object" && value !== null && "type" in value && TYPES.has(value.type);
}
