/** Finds a Python that can make the daemon's environment: 3.11 to 3.14, with `venv`. */

import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, realpath } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, isAbsolute, join } from "node:path";

import { words } from "../words.js";

export interface Python {
  path: string;
  /** Such as `3.12`. */
  version: string;
}

export type PythonSearch = { python: Python } | { message: string };

const NAMES = ["python3.14", "python3.13", "python3.12", "python3.11", "python3", "python"] as const;
/** Where Pythons are that a program started from the desktop does not have on its PATH. */
const MORE_FOLDERS = process.platform === "darwin" ? ["/opt/homebrew/bin", "/usr/local/bin"] : [];
const OLDEST = [3, 11] as const;
const TOO_NEW = [3, 15] as const;
const ANSWER_TIMEOUT_MS = 20_000;
const QUESTION = [
  "import importlib.util, json, sys",
  "parts = [name for name in ('venv', 'ensurepip') if importlib.util.find_spec(name)]",
  "print(json.dumps({'version': sys.version_info[:2], 'hasVenv': len(parts) == 2}))",
].join("\n");

interface Answer {
  version: [number, number];
  hasVenv: boolean;
}

/** `setting` is a path that the person chose; nothing else is used then. */
export async function findPython(setting: string | undefined, path = process.env["PATH"] ?? ""): Promise<PythonSearch> {
  const unfit: { path: string; answer: Answer }[] = [];
  for (const candidate of setting === undefined ? await onPath(path) : [setting]) {
    const answer = await ask(candidate);
    if (answer && fits(answer) && answer.hasVenv) return { python: { path: candidate, version: answer.version.join(".") } };
    if (answer) unfit.push({ path: candidate, answer });
  }
  return { message: messageOf(setting, unfit) };
}

function messageOf(setting: string | undefined, unfit: readonly { path: string; answer: Answer }[]): string {
  const { python } = words.install;
  const withoutVenv = unfit.find(({ answer }) => fits(answer));
  if (withoutVenv) return python.noVenv(withoutVenv.path, withoutVenv.answer.version.join("."), process.platform);
  const [other] = unfit;
  if (setting !== undefined) return other ? python.settingUnfit(setting, other.answer.version.join(".")) : python.settingIsNone(setting);
  return other ? python.tooOld(other.path, other.answer.version.join(".")) : python.none;
}

function fits({ version }: Answer): boolean {
  return !isBefore(version, OLDEST) && isBefore(version, TOO_NEW);
}

function isBefore([major, minor]: readonly [number, number], [otherMajor, otherMinor]: readonly [number, number]): boolean {
  return major < otherMajor || (major === otherMajor && minor < otherMinor);
}

/** Return the Pythons on PATH, by name and then by folder, each once. */
async function onPath(path: string): Promise<string[]> {
  const folders = [...path.split(delimiter).filter(isAbsolute), ...MORE_FOLDERS];
  const suffix = process.platform === "win32" ? ".exe" : "";
  const seen = new Set<string>();
  const pythons: string[] = [];
  for (const candidate of NAMES.flatMap((name) => folders.map((folder) => join(folder, name + suffix)))) {
    const real = await realPath(candidate);
    if (real === undefined || seen.has(real)) continue;
    seen.add(real);
    pythons.push(candidate);
  }
  return pythons;
}

async function realPath(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.X_OK);
    return await realpath(path);
  } catch {
    return undefined;
  }
}

/** Return what the program says about itself; undefined if it is no Python. */
function ask(path: string): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    const options = { cwd: homedir(), timeout: ANSWER_TIMEOUT_MS, windowsHide: true };
    const child = execFile(path, ["-I", "-c", QUESTION], options, (error, stdout) => resolve(error ? undefined : read(stdout)));
    child.stdin?.end();
  });
}

function read(output: string): Answer | undefined {
  try {
    const answer: unknown = JSON.parse(output);
    return isAnswer(answer) ? answer : undefined;
  } catch {
    return undefined;
  }
}

function isAnswer(value: unknown): value is Answer {
  if (typeof value !== "object" || value === null || !("version" in value) || !("hasVenv" in value)) return false;
  const { version, hasVenv } = value;
  return typeof hasVenv === "boolean" && Array.isArray(version) && version.length === 2 && version.every(Number.isInteger);
}
