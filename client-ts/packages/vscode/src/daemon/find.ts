/** Where the daemon's program is. */

import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";

/** A program that may be the daemon. */
export interface Program {
  command: string;
  args: readonly string[];
  place: "setting" | "path" | "installPlace";
}

/** Return the program of the setting, else the first on PATH. */
export async function findProgram(executable: string | undefined): Promise<Program | undefined> {
  const args = ["--stdio"];
  if (executable !== undefined) {
    return (await isExecutable(executable)) ? { command: executable, args, place: "setting" } : undefined;
  }
  for (const folder of (process.env["PATH"] ?? "").split(delimiter).filter(Boolean)) {
    const command = join(folder, process.platform === "win32" ? "byokd.exe" : "byokd");
    if (await isExecutable(command)) return { command, args, place: "path" };
  }
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
