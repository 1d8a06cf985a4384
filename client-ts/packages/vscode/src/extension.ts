/** The composition of the extension: makes the parts and gives each what it needs. */

import * as vscode from "vscode";

import { DAEMON_SETTINGS, daemonSettings } from "./config.js";
import { Contexts } from "./contexts.js";
import { findProgram } from "./daemon/find.js";
import { Daemon } from "./daemon/service.js";
import { words } from "./words.js";

let running: Daemon | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel(words.product, "log");
  const version: string = context.extension.packageJSON.version;
  const daemon = new Daemon({
    settings: daemonSettings,
    find: findProgram,
    offerInstall: () => Promise.resolve(false),
    clientInfo: { name: "vscode", version },
    onStderr: (text) => log.append(text),
  });
  running = daemon;
  context.subscriptions.push(log, new Contexts(daemon), ...daemonCommands(daemon, log));
}

/** VS Code waits for this before the extension host ends. */
export function deactivate(): Promise<void> | undefined {
  return running?.dispose();
}

function daemonCommands(daemon: Daemon, log: vscode.OutputChannel): vscode.Disposable[] {
  return [
    vscode.commands.registerCommand("byokd.showLog", () => log.show()),
    vscode.commands.registerCommand("byokd.restartDaemon", () => daemon.restart()),
    vscode.workspace.onDidChangeConfiguration(async (event) => {
      if (DAEMON_SETTINGS.some((name) => event.affectsConfiguration(name))) await daemon.stop();
    }),
  ];
}
