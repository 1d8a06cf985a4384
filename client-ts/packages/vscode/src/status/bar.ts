/** The entry in the status bar: the keys and the vault in two words, and a way to the page. */

import * as vscode from "vscode";

import { words } from "../words.js";
import type { Overview, Snapshot } from "./overview.js";
import { summaryOf, type Summary } from "./summary.js";

const COLOURS: Record<Summary["tone"], string | undefined> = {
  plain: undefined,
  warning: "statusBarItem.warningBackground",
  error: "statusBarItem.errorBackground",
};
/** Right of the entries of the editor's text, which are at 100. */
const PRIORITY = 50;

export class StatusBar implements vscode.Disposable {
  readonly #item: vscode.StatusBarItem;
  readonly #subscription: vscode.Disposable;

  constructor(overview: Overview) {
    this.#item = vscode.window.createStatusBarItem("byokd.status", vscode.StatusBarAlignment.Right, PRIORITY);
    this.#item.name = words.status.name;
    this.#show(overview.snapshot);
    this.#subscription = overview.onDidChange((snapshot) => this.#show(snapshot));
    this.#item.show();
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#item.dispose();
  }

  #show(snapshot: Snapshot): void {
    const { text, tooltip, spoken, tone, at } = summaryOf(snapshot);
    const colour = COLOURS[tone];
    this.#item.text = text;
    this.#item.tooltip = new vscode.MarkdownString(tooltip); // neither trusted, nor with icons or HTML
    this.#item.accessibilityInformation = { label: spoken, role: "button" };
    this.#item.backgroundColor = colour === undefined ? undefined : new vscode.ThemeColor(colour);
    this.#item.command = { title: words.page.title, command: "byokd.openProviders", arguments: at ? [at] : [] };
  }
}
