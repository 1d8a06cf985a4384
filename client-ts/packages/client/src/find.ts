/**
 * Finds the daemon, in the order that `protocol.md` states for every client: the setting, PATH, the install place.
 *
 * A set setting is final: if it names no program, nothing else is used in its place.
 */

import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, realpath, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { posix, win32 } from "node:path";

import { childEnvironment, startFolder } from "./daemon.js";
import { invocation } from "./program.js";

/** What to look at, and what the program must be. */
export interface FindOptions {
  /** What a setting of the person names: an absolute path, a path that begins with `~/`, or a name on PATH. */
  setting?: string;
  /** Folders whose programs are not used, such as those of a workspace that is not trusted. */
  untrustedFolders?: readonly string[];
  /** Run `byokd --version`, and pass over programs that do not answer as byokd. Default: false. */
  checkVersion?: boolean;
  /** Pass over daemons older than this, such as `0.1.0`. Implies `checkVersion`. */
  minVersion?: string;
  /** How long a program may take to tell its version. Default: 10,000 ms. */
  versionTimeoutMs?: number;
}

/** Where a program was looked for: `installPlace` is `~/.local/bin/byokd`, `byokd.cmd` on Windows. */
export type DaemonPlace = "setting" | "path" | "installPlace";

/**
 * Why a program, or a folder of PATH, was passed over.
 *
 * - `missing`: there is no such file.
 * - `notExecutable`: it is a folder, or not a program.
 * - `relative`: the path depends on the current folder.
 * - `untrusted`: it is inside one of `untrustedFolders`.
 * - `notByokd`: `--version` failed or was not answered as byokd does.
 * - `noAnswer`: `--version` was not answered in time.
 * - `older`: it is older than `minVersion`.
 */
export type PassedOver = "missing" | "notExecutable" | "relative" | "untrusted" | "notByokd" | "noAnswer" | "older";

/** A place that was looked at and not used. */
export interface LookedAt {
  path: string;
  place: DaemonPlace;
  reason: PassedOver;
  /** The version, if it was asked for and told. */
  version: string | null;
}

/** The result of a search; the path is null if there is none, and `message` says why, for people. */
export type DaemonSearch =
  | { path: string; place: DaemonPlace; version: string | null; lookedAt: LookedAt[] }
  | { path: null; message: string; lookedAt: LookedAt[] };

/** The parts of this machine that decide where programs are. */
export interface System {
  platform: NodeJS.Platform;
  home: string;
  /** The variable PATH. */
  path: string;
}

/** A file that may be the daemon, or a folder of PATH that is not used. */
interface Candidate {
  path: string;
  place: DaemonPlace;
  refused?: PassedOver;
}

const NAME = "byokd";
const VERSION_TIMEOUT_MS = 10_000;
const VERSION_MAX_BYTES = 64 * 1024;

/** Look for the daemon; see `FindOptions`. Starts a program only to ask for its version. */
export async function findDaemon(options: FindOptions = {}): Promise<DaemonSearch> {
  const untrusted = await Promise.all((options.untrustedFolders ?? []).map(realPath));
  const lookedAt: LookedAt[] = [];
  for (const { path, place, refused } of candidates(options.setting, thisSystem())) {
    const reason = refused ?? (await fileFault(path, place === "setting" ? [] : untrusted));
    const answer = reason ? { reason, version: null } : await versionOf(path, options);
    if (!answer.reason) return { path, place, version: answer.version, lookedAt };
    lookedAt.push({ path, place, reason: answer.reason, version: answer.version });
  }
  return { path: null, message: messageOf(lookedAt), lookedAt };
}

/** Return what to look at, in order. A setting excludes everything else. */
export function candidates(setting: string | undefined, system: System): Candidate[] {
  const { join } = flavour(system);
  if (setting?.trim()) return settingCandidates(setting.trim(), system);
  const installed = system.platform === "win32" ? `${NAME}.cmd` : NAME;
  return [...onPath(NAME, "path", system), { path: join(system.home, ".local", "bin", installed), place: "installPlace" }];
}

function settingCandidates(setting: string, system: System): Candidate[] {
  const { isAbsolute, join } = flavour(system);
  if (!/[/\\]/.test(setting)) return onPath(setting, "setting", system);
  const path = /^~[/\\]/.test(setting) ? join(system.home, setting.slice(2)) : setting;
  if (!isAbsolute(path)) return [{ path, place: "setting", refused: "relative" }];
  return fileNames(path, system).map((name) => ({ path: name, place: "setting" }));
}

function onPath(name: string, place: DaemonPlace, system: System): Candidate[] {
  const { delimiter, isAbsolute, join } = flavour(system);
  const folders = new Set(system.path.split(delimiter).map((folder) => folder.replace(/^"(.*)"$/, "$1")));
  return [...folders].flatMap((folder): Candidate[] => {
    if (!isAbsolute(folder)) return folder ? [{ path: folder, place, refused: "relative" }] : [];
    return fileNames(join(folder, name), system).map((path) => ({ path, place }));
  });
}

/** Return the files that the system starts for this name. */
function fileNames(path: string, { platform }: System): string[] {
  return platform === "win32" && !/\.(exe|cmd|bat)$/i.test(path) ? [`${path}.exe`, `${path}.cmd`] : [path];
}

function flavour({ platform }: System): typeof posix {
  return platform === "win32" ? win32 : posix;
}

function thisSystem(): System {
  return { platform: process.platform, home: homedir(), path: process.env["PATH"] ?? "" };
}

/** Return why the file is not used, or null. */
async function fileFault(path: string, untrusted: readonly string[]): Promise<PassedOver | null> {
  try {
    if (!(await stat(path)).isFile()) return "notExecutable";
  } catch {
    return "missing";
  }
  if ([path, await realPath(path)].some((file) => untrusted.some((folder) => isInside(file, folder)))) return "untrusted";
  try {
    await access(path, constants.X_OK); // on Windows, whether it can be read
    return null;
  } catch {
    return "notExecutable";
  }
}

async function realPath(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    return path; // it does not exist
  }
}

function isInside(path: string, folder: string): boolean {
  const { isAbsolute, relative, sep } = flavour(thisSystem());
  const rest = relative(folder, path); // on Windows it ignores case
  return rest !== ".." && !rest.startsWith(`..${sep}`) && !isAbsolute(rest);
}

interface VersionAnswer {
  reason: PassedOver | null;
  version: string | null;
}

async function versionOf(path: string, options: FindOptions): Promise<VersionAnswer> {
  const { checkVersion = false, minVersion, versionTimeoutMs = VERSION_TIMEOUT_MS } = options;
  if (!checkVersion && minVersion === undefined) return { reason: null, version: null };
  const { timedOut, output } = await run(path, versionTimeoutMs);
  if (timedOut) return { reason: "noAnswer", version: null };
  const version = /^byokd, version (\S+)\s*$/m.exec(output)?.[1] ?? null;
  if (version === null) return { reason: "notByokd", version };
  return { reason: minVersion !== undefined && isOlder(version, minVersion) ? "older" : null, version };
}

/** Run `path --version`; the output is empty if it failed. */
function run(path: string, timeoutMs: number): Promise<{ timedOut: boolean; output: string }> {
  const limits = { timeout: timeoutMs, killSignal: "SIGKILL", maxBuffer: VERSION_MAX_BYTES } as const;
  return new Promise((resolve) => {
    try {
      const { command, args, windowsVerbatimArguments } = invocation(path, ["--version"]);
      const options = { ...limits, cwd: startFolder(), env: childEnvironment(), windowsHide: true, windowsVerbatimArguments };
      const child = execFile(command, args, options, (error, stdout) => {
        resolve({ timedOut: error?.killed === true, output: error ? "" : stdout });
      });
      child.stdin?.end();
    } catch {
      resolve({ timedOut: false, output: "" }); // the system refuses to start it
    }
  });
}

/** Compare two versions by their numbers; a suffix such as `rc1` does not count. */
export function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => (/^\d+(\.\d+)*/.exec(text)?.[0] ?? "0").split(".").map(Number));
  for (let i = 0; i < Math.max(a?.length ?? 0, b?.length ?? 0); i++) {
    const difference = (a?.[i] ?? 0) - (b?.[i] ?? 0);
    if (difference) return difference < 0;
  }
  return false;
}

const REASONS: Readonly<Record<Exclude<PassedOver, "missing">, string>> = {
  notExecutable: "is not a program",
  relative: "is not an absolute path",
  untrusted: "is in a folder that is not trusted",
  notByokd: "is not a working byokd",
  noAnswer: "does not answer",
  older: "is too old",
};

function messageOf(lookedAt: readonly LookedAt[]): string {
  const setting = lookedAt.find(({ place, reason }) => place === "setting" && reason === "missing");
  const faults = lookedAt
    .filter(({ reason, place }) => reason !== "missing" && !(reason === "relative" && place === "path"))
    .map(({ path, reason, version }) => `${path} ${REASONS[reason as keyof typeof REASONS]}${version ? ` (${version})` : ""}`);
  if (setting) faults.unshift(`${setting.path} does not exist`);
  if (faults.length) return `byokd was not found: ${faults.join(", ")}`;
  return `byokd was not found on PATH, nor as ${lookedAt.at(-1)?.path ?? NAME}`;
}
