/** The composition of the extension: makes the parts and gives each what it needs. */

import * as vscode from "vscode";

import { catalogCommands } from "./commands/catalog.js";
import { daemonCommands } from "./commands/daemon.js";
import { diagnosticsCommands } from "./commands/diagnostics.js";
import { vaultCommands } from "./commands/vault.js";
import { daemonSettings } from "./config.js";
import { Contexts } from "./contexts.js";
import { findProgram } from "./daemon/find.js";
import { Daemon } from "./daemon/service.js";
import { DaemonNotices } from "./daemon_notices.js";
import type { WindowPlace } from "./machine.js";
import { words } from "./words.js";

let running: Daemon | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel(words.product, "log");
  const { id, packageJSON } = context.extension;
  const version: string = packageJSON.version;
  const place = windowPlace(context);
  const daemon = new Daemon({
    settings: daemonSettings,
    find: (executable, minVersion) => findProgram({ executable, minVersion, untrustedFolders: untrustedFolders() }),
    offerInstall: () => Promise.resolve(false),
    clientInfo: { name: "vscode", version },
    onStderr: (text) => log.append(text),
  });
  running = daemon;
  context.subscriptions.push(log, new Contexts(daemon), new DaemonNotices(daemon, version));
  context.subscriptions.push(...daemonCommands(daemon, log, id), ...vaultCommands(daemon), ...catalogCommands(daemon));
  context.subscriptions.push(...diagnosticsCommands(daemon, version, place));
}

/** VS Code waits for this before the extension host ends. */
export function deactivate(): Promise<void> | undefined {
  return running?.dispose();
}

/** A program in such a folder must not get the keys. */
function untrustedFolders(): string[] {
  return vscode.workspace.isTrusted ? [] : (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.fsPath);
}

function windowPlace({ extension }: vscode.ExtensionContext): WindowPlace {
  return {
    remoteName: vscode.env.remoteName,
    runsAtWorkspace: extension.extensionKind === vscode.ExtensionKind.Workspace,
    isWeb: vscode.env.uiKind === vscode.UIKind.Web,
  };
}
