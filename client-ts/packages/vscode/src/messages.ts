/** Messages with buttons for what mends a fault, and commands whose errors are shown. */

import * as vscode from "vscode";

import type { Remedy } from "./daemon/unavailable.js";
import { remedyOf } from "./remedies.js";
import { words } from "./words.js";

/** Show a sentence with a button for each remedy, and run the one that is chosen. */
export async function warn(text: string, remedies: readonly Remedy[]): Promise<void> {
  const choice = await vscode.window.showWarningMessage(words.failure(text), ...remedies.map(({ title }) => title));
  const remedy = remedies.find(({ title }) => title === choice);
  if (remedy) await vscode.commands.executeCommand(remedy.command, ...(remedy.arguments ?? []));
}

/** Show why something failed, with a button for what mends it. */
export async function showError(error: unknown): Promise<void> {
  const remedy = remedyOf(error);
  await warn(error instanceof Error ? error.message : String(error), remedy ? [remedy] : []);
}

/** Register a command; if it fails, the person is told why. */
export function register<A extends unknown[]>(id: string, run: (...args: A) => Promise<void>): vscode.Disposable {
  return vscode.commands.registerCommand(id, async (...args: A) => {
    try {
      await run(...args);
    } catch (error) {
      if (!(error instanceof vscode.CancellationError)) await showError(error);
    }
  });
}
