/** Messages with buttons for what mends a fault, and commands whose errors are shown. */

import * as vscode from "vscode";

import { DaemonUnavailable, type Remedy } from "./daemon/unavailable.js";
import { words } from "./words.js";

/** Show a sentence with a button for each remedy, and run the one that is chosen. */
export async function warn(text: string, remedies: readonly Remedy[]): Promise<void> {
  const choice = await vscode.window.showWarningMessage(words.failure(text), ...remedies.map(({ title }) => title));
  const remedy = remedies.find(({ title }) => title === choice);
  if (remedy) await vscode.commands.executeCommand(remedy.command, ...(remedy.arguments ?? []));
}

/** Register a command; if it fails, the person is told why, with a button for what mends it. */
export function register(id: string, run: () => Promise<void>): vscode.Disposable {
  return vscode.commands.registerCommand(id, async () => {
    try {
      await run();
    } catch (error) {
      if (error instanceof vscode.CancellationError) return;
      await warn(error instanceof Error ? error.message : String(error), error instanceof DaemonUnavailable ? [error.action] : []);
    }
  });
}
