/** The settings of the extension, read in one place. */

import * as vscode from "vscode";

export const SECTION = "byokd";

/** The settings that decide which daemon runs. A change of one needs another daemon. */
export const DAEMON_SETTINGS = ["byokd.executable", "byokd.configFile", "byokd.account"] as const;

/** Which daemon runs, and with what. Empty texts are undefined. */
export interface DaemonSettings {
  /** Path of the program. */
  executable: string | undefined;
  /** Path of the daemon's `config.toml`. */
  configFile: string | undefined;
  account: string;
}

export function daemonSettings(): DaemonSettings {
  return {
    executable: text("executable"),
    configFile: text("configFile"),
    account: text("account") ?? "default",
  };
}

/** Path of the Python that installs the daemon. */
export function pythonSetting(): string | undefined {
  return text("python");
}

function text(name: string): string | undefined {
  return vscode.workspace.getConfiguration(SECTION).get<string>(name)?.trim() || undefined;
}
