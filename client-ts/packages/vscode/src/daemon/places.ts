/** Where the installer puts the daemon, as `byokd.installer.places` says; only shown to the person. */

import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

export function programFolder(): string {
  return join(dataFolder(), "byokd", "program");
}

function dataFolder(): string {
  const home = homedir();
  if (process.platform === "win32") return folder("LOCALAPPDATA", join(home, "AppData", "Local"));
  if (process.platform === "darwin") return join(home, "Library", "Application Support");
  return folder("XDG_DATA_HOME", join(home, ".local", "share"));
}

function folder(variable: string, otherwise: string): string {
  const value = process.env[variable]?.trim() ?? "";
  return isAbsolute(value) ? value : otherwise;
}
