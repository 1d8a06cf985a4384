/** The Keys view of the activity bar. Where it has no row, the manifest's welcome texts stand there. */

import * as vscode from "vscode";

import { Emitter } from "../daemon/emitter.js";
import { words } from "../words.js";
import { attentionOf, rowsOf, type KeyRow } from "./key_rows.js";
import type { Overview, Snapshot } from "./overview.js";

export class KeysView implements vscode.Disposable, vscode.TreeDataProvider<KeyRow> {
  readonly #overview: Overview;
  readonly #view: vscode.TreeView<KeyRow>;
  readonly #subscription: vscode.Disposable;
  readonly #changed = new Emitter<void>();
  readonly onDidChangeTreeData: vscode.Event<void> = this.#changed.event;

  /** `machine` says where the keys lie, if that is not the computer of the person. */
  constructor(overview: Overview, machine: string | undefined) {
    this.#overview = overview;
    this.#view = vscode.window.createTreeView("byokd.keys", { treeDataProvider: this });
    if (machine !== undefined) this.#view.description = machine;
    this.#subscription = overview.onDidChange((snapshot) => this.#show(snapshot));
  }

  getChildren(row?: KeyRow): KeyRow[] {
    return row ? [] : rowsOf(this.#overview.snapshot);
  }

  getTreeItem({ keyId, title, description, tooltip, icon, colour, at }: KeyRow): vscode.TreeItem {
    const item = new vscode.TreeItem(title);
    item.id = keyId;
    item.description = description;
    item.tooltip = tooltip;
    item.iconPath = new vscode.ThemeIcon(icon, colour === undefined ? undefined : new vscode.ThemeColor(colour));
    item.command = { title: words.page.title, command: "byokd.openProviders", arguments: [at] };
    return item;
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#changed.dispose();
    this.#view.dispose();
  }

  #show(snapshot: Snapshot): void {
    const count = attentionOf(snapshot);
    this.#view.badge = count === 0 ? undefined : { value: count, tooltip: words.status.attention(count) };
    this.#view.message = snapshot.keys.length > 0 ? messageOf(snapshot) : "";
    this.#changed.fire();
  }
}

/** Why the keys that are listed cannot be used now. */
function messageOf({ daemon, vault }: Snapshot): string {
  if (daemon === "failed") return words.keysView.failedMessage;
  return vault?.state === "locked" ? words.keysView.lockedMessage : "";
}
