/** Restart the daemon, show its log, and open the walkthrough; a change of its settings ends it. */

import * as vscode from "vscode";

import { DAEMON_SETTINGS } from "../config.js";
import type { DaemonService } from "../daemon/service.js";
import { register } from "../messages.js";
import type { Walkthrough } from "../walkthrough.js";
import { words } from "../words.js";

export function daemonCommands(daemon: DaemonService, log: vscode.OutputChannel, walkthrough: Walkthrough): vscode.Disposable[] {
  return [
    register("byokd.restartDaemon", () => restart(daemon)),
    register("byokd.showLog", async () => log.show()),
    register("byokd.openWalkthrough", () => walkthrough.open()),
    vscode.workspace.onDidChangeConfiguration(async (event) => {
      if (DAEMON_SETTINGS.some((name) => event.affectsConfiguration(name))) await startAnew(daemon);
    }),
  ];
}

async function restart(daemon: DaemonService): Promise<void> {
  const options = { location: vscode.ProgressLocation.Window, title: words.daemon.restarting };
  await vscode.window.withProgress(options, () => daemon.restart());
  void vscode.window.showInformationMessage(words.daemon.restarted);
}

/** End the daemon of the old settings; where one ran or was missed, start that of the new ones. */
async function startAnew(daemon: DaemonService): Promise<void> {
  const wasNeeded = daemon.state.type !== "stopped";
  await daemon.stop();
  if (wasNeeded) await daemon.client().catch(() => {}); // its state says what is wrong
}
