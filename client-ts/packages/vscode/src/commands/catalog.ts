/** Refresh the data about providers, models and prices. */

import type { CatalogRefreshResult } from "@byokd/client";
import * as vscode from "vscode";

import type { DaemonService } from "../daemon/service.js";
import { words } from "../words.js";
import { register } from "../messages.js";

export function catalogCommands(daemon: DaemonService): vscode.Disposable[] {
  return [register("byokd.refreshCatalog", () => refresh(daemon))];
}

async function refresh(daemon: DaemonService): Promise<void> {
  const client = await daemon.client({ interactive: true });
  const options = { location: vscode.ProgressLocation.Window, title: words.catalog.refreshing };
  const result = await vscode.window.withProgress(options, () => client.catalog.refresh());
  void vscode.window.showInformationMessage(summaryOf(result));
}

function summaryOf({ applied, after, changes, more }: CatalogRefreshResult): string {
  return applied ? words.catalog.refreshed(after.date, changes.length + more) : words.catalog.isNewest(after.date);
}
