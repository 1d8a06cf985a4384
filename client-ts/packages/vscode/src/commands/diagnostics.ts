/** "Copy Diagnostics": collects the facts from VS Code and the daemon, without starting one. */

import { homedir, release } from "node:os";

import type { Client, KeyInfo } from "@byokd/client";
import * as vscode from "vscode";

import { daemonSettings } from "../config.js";
import type { DaemonService } from "../daemon/service.js";
import { diagnosticsOf, type Facts } from "../diagnostics.js";
import { words } from "../words.js";
import type { WindowPlace } from "../machine.js";
import { register } from "../messages.js";

/** A daemon that does not answer must not stop a report about it. */
const ANSWER_TIMEOUT_MS = 5000;

export function diagnosticsCommands(daemon: DaemonService, extensionVersion: string, place: WindowPlace): vscode.Disposable[] {
  return [register("byokd.copyDiagnostics", () => copy(daemon, extensionVersion, place))];
}

async function copy(daemon: DaemonService, extensionVersion: string, place: WindowPlace): Promise<void> {
  const options = { location: vscode.ProgressLocation.Window, title: words.diagnostics.copying };
  const store = await vscode.window.withProgress(options, () => storeOf(daemon.current));
  const text = diagnosticsOf({
    versions: { extension: extensionVersion, vscode: vscode.version, node: process.version },
    system: `${process.platform} ${process.arch} ${release()}`,
    host: vscode.env.appHost,
    place,
    isTrusted: vscode.workspace.isTrusted,
    settings: daemonSettings(),
    daemon: daemon.state,
    store,
    home: homedir(),
  });
  await vscode.env.clipboard.writeText(text);
  const choice = await vscode.window.showInformationMessage(words.diagnostics.copied, words.diagnostics.show);
  if (choice === undefined) return;
  await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ content: text, language: "yaml" }));
}

async function storeOf(client: Client | undefined): Promise<Facts["store"]> {
  if (!client) return undefined;
  const options = { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) };
  try {
    const { vault } = await client.vault.status({}, options);
    const keys: KeyInfo[] = [];
    let cursor: string | null = null;
    while (vault.state === "unlocked") {
      const page: Awaited<ReturnType<Client["key"]["list"]>> = await client.key.list({ cursor }, options);
      keys.push(...page.items);
      if ((cursor = page.nextCursor) === null) break;
    }
    return { vault, keys };
  } catch {
    return undefined; // what the daemon does not answer is reported as not known
  }
}
