/** Refresh the data about providers, models and prices. */

import type { CatalogRefreshResult, Client } from "@byokd/client";
import * as vscode from "vscode";

import type { DaemonService } from "../daemon/service.js";
import { words } from "../words.js";
import { register } from "../messages.js";

const LINES_MAX = 15;

export function catalogCommands(daemon: DaemonService): vscode.Disposable[] {
  return [register("byokd.refreshCatalog", (given?: { accept?: boolean }) => refresh(daemon, given?.accept === true))];
}

/** `accept`: the daemon refused a file whose prices moved far; show them, and take it if the person agrees. */
async function refresh(daemon: DaemonService, accept: boolean): Promise<void> {
  const client = await daemon.client({ interactive: true });
  if (accept && !(await agrees(client))) return;
  const result = await inProgress(() => client.catalog.refresh({ accept }));
  void vscode.window.showInformationMessage(summaryOf(result));
}

async function agrees(client: Client): Promise<boolean> {
  const { title, button, more } = words.catalog.accept;
  const { changes } = await inProgress(() => client.catalog.refresh({ dryRun: true }));
  const moved = changes.filter(({ needsAccept }) => needsAccept);
  const lines = moved.slice(0, LINES_MAX).map(({ provider, subject, before, after }) => words.catalog.change(provider, subject, before, after));
  if (moved.length > LINES_MAX) lines.push(more(moved.length - LINES_MAX));
  return (await vscode.window.showWarningMessage(title, { modal: true, detail: lines.join("\n") }, button)) === button;
}

function inProgress<T>(task: () => Promise<T>): Thenable<T> {
  return vscode.window.withProgress({ location: vscode.ProgressLocation.Window, title: words.catalog.refreshing }, task);
}

function summaryOf({ applied, after, changes, more }: CatalogRefreshResult): string {
  return applied ? words.catalog.refreshed(after.date, changes.length + more) : words.catalog.isNewest(after.date);
}
