/** Where the files of the daemon are, as `byokd.installer.places` says. */

import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** The folder of the private environment; only shown to the person. */
export function programFolder(): string {
  return join(folder("XDG_DATA_HOME", ".local", "share"), "byokd", "program");
}

/** The daemon's `config.toml`, if no setting names another. */
export function configFile(): string {
  return join(folder("XDG_CONFIG_HOME", ".config"), "byokd", "config.toml");
}

/** The folder for data or settings of programs; `variable` and the default in the home folder are those of Linux. */
function folder(variable: string, ...byDefault: string[]): string {
  const home = homedir();
  if (process.platform === "win32") return named("LOCALAPPDATA", join(home, "AppData", "Local"));
  if (process.platform === "darwin") return join(home, "Library", "Application Support");
  return named(variable, join(home, ...byDefault));
}

function named(variable: string, otherwise: string): string {
  const value = process.env[variable]?.trim() ?? "";
  return isAbsolute(value) ? value : otherwise;
}
