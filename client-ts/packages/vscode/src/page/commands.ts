/** The commands that open the page. */

import type { ProviderInfo } from "@byokd/client";
import * as vscode from "vscode";

import type { Place } from "../../../page/src/host.js";
import type { DaemonService } from "../daemon/service.js";
import { DaemonUnavailable } from "../daemon/unavailable.js";
import { register } from "../messages.js";
import { words } from "../words.js";
import type { ProvidersPanel } from "./panel.js";

export function pageCommands(daemon: DaemonService, panel: ProvidersPanel): vscode.Disposable[] {
  const { registerCommand } = vscode.commands;
  return [
    registerCommand("byokd.openProviders", (at?: Partial<Place>) => panel.open(at && { view: "providers", ...at })),
    registerCommand("byokd.manageKeys", () => panel.open()),
    register("byokd.addKey", (provider?: unknown) => addKey(daemon, panel, provider)),
  ];
}

/** Ask for the provider, then open the form of its key. Without a daemon the page says what to do. */
async function addKey(daemon: DaemonService, panel: ProvidersPanel, known?: unknown): Promise<void> {
  const provider = typeof known === "string" ? known : await pickProvider(daemon);
  if (provider === "unavailable") panel.open();
  else if (provider !== undefined) panel.open({ view: "addKey", provider });
}

async function pickProvider(daemon: DaemonService): Promise<string | undefined> {
  try {
    const options = { title: words.addKey.title, placeHolder: words.addKey.placeholder, matchOnDescription: true };
    return (await vscode.window.showQuickPick(items(daemon), options))?.id;
  } catch (error) {
    if (error instanceof DaemonUnavailable) return "unavailable";
    throw error;
  }
}

interface Item extends vscode.QuickPickItem {
  id?: string;
}

async function items(daemon: DaemonService): Promise<Item[]> {
  const client = await daemon.client();
  const providers: ProviderInfo[] = [];
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<typeof client.provider.list>> = await client.provider.list({ cursor });
    providers.push(...page.items);
    cursor = page.nextCursor;
  } while (cursor !== null);
  return Object.entries(words.addKey.groups).flatMap(([kind, label]) => {
    const group = providers.filter((provider) => provider.kind === kind);
    const rows = group.map(({ id, name }) => ({ id, label: name, description: id }));
    return rows.length > 0 ? [{ label, kind: vscode.QuickPickItemKind.Separator }, ...rows] : [];
  });
}
