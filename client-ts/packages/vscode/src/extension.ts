/** The composition of the extension: makes the parts and gives each what it needs. */

import * as vscode from "vscode";

import { openChat } from "./chat/open.js";
import { registerChat } from "./chat/register.js";
import { catalogCommands } from "./commands/catalog.js";
import { configCommands } from "./commands/config.js";
import { daemonCommands } from "./commands/daemon.js";
import { diagnosticsCommands } from "./commands/diagnostics.js";
import { installCommands, Installation } from "./commands/install.js";
import { vaultCommands } from "./commands/vault.js";
import { daemonSettings, wheelFolder } from "./config.js";
import { Contexts } from "./contexts.js";
import { findProgram } from "./daemon/find.js";
import { Daemon } from "./daemon/service.js";
import { DaemonUnavailable } from "./daemon/unavailable.js";
import { DaemonNotices } from "./daemon_notices.js";
import { machineOfKeys, type WindowPlace } from "./machine.js";
import { pageCommands } from "./page/commands.js";
import { ProvidersPanel } from "./page/panel.js";
import { KeysView } from "./status/keys_view.js";
import { StatusBar } from "./status/bar.js";
import { showQuestions } from "./status/notices.js";
import { Overview } from "./status/overview.js";
import { Walkthrough } from "./walkthrough.js";
import { words } from "./words.js";

let running: Daemon | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel(words.product, "log");
  const { id, packageJSON } = context.extension;
  const version: string = packageJSON.version;
  const place = windowPlace(context);
  const installation = new Installation({ extension: context.extensionPath, findLinks: wheelFolder() }, log);
  const daemon = new Daemon({
    settings: daemonSettings,
    find: (executable, minVersion) => findProgram({ executable, minVersion, untrustedFolders: untrustedFolders() }),
    offerInstall: () => installation.offer(),
    clientInfo: { name: "vscode", version },
    onStderr: (text) => log.append(text),
  });
  running = daemon;
  const panel = new ProvidersPanel(context, daemon, { machine: machineOfKeys(place), openChat: (chat) => void openChat(chat) });
  const overview = new Overview(daemon);
  const walkthrough = new Walkthrough(id);
  const contexts = new Contexts(daemon, overview, walkthrough);
  showQuestions(daemon, panel);
  context.subscriptions.push(log, contexts, new DaemonNotices(daemon, version));
  context.subscriptions.push(panel, overview, new StatusBar(overview), new KeysView(overview, machineOfKeys(place)), ...pageCommands(daemon, panel));
  context.subscriptions.push(...daemonCommands(daemon, log, walkthrough), ...vaultCommands(daemon), ...catalogCommands(daemon), ...configCommands());
  context.subscriptions.push(...installCommands(daemon, installation));
  context.subscriptions.push(...diagnosticsCommands(daemon, version, place));
  context.subscriptions.push(...registerChat({ daemon, context, log: (line) => log.appendLine(line), onAnswered: () => contexts.answered() }));
  // The status bar shows the keys. What is missing is shown there, and where the person goes for it.
  void daemon.client().catch((error: unknown) => {
    if (!(error instanceof DaemonUnavailable)) throw error;
  });
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
