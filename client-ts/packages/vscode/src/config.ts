/** The settings of the extension, read in one place. */

import type { Effort } from "@byokd/client";
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

/**
 * A folder of wheels that the daemon is installed from, instead of the package index: for tests without
 * a network. It is no setting; and the hashes of the lock hold for it, too.
 */
export function wheelFolder(): string | undefined {
  return process.env["BYOKD_FIND_LINKS"] || undefined;
}

/** How much models think; undefined: as their provider decides. */
export function defaultEffort(): Effort | undefined {
  const effort = text("models.effort");
  return effort === undefined || effort === "default" ? undefined : (effort as Effort); // an enum of the manifest
}

/** How `@byokd` shows its answers. */
export function chatSettings(): { showThinking: boolean; showCost: boolean } {
  const settings = vscode.workspace.getConfiguration(SECTION);
  return { showThinking: settings.get("chat.showThinking", false), showCost: settings.get("chat.showCost", true) };
}

function text(name: string): string | undefined {
  return vscode.workspace.getConfiguration(SECTION).get<string>(name)?.trim() || undefined;
}
