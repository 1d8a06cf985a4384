/**
 * Tells VS Code what `when` clauses and the walkthrough of the manifest ask: `byokd.daemon` is the type of the
 * daemon's state, `byokd.vault` the state of the vault, `byokd.hasKeys` whether there are keys.
 */

import * as vscode from "vscode";

import type { DaemonService, DaemonState } from "./daemon/service.js";
import type { Overview } from "./status/overview.js";
import type { Walkthrough } from "./walkthrough.js";

export class Contexts implements vscode.Disposable {
  readonly #walkthrough: Walkthrough;
  readonly #subscriptions: vscode.Disposable[];

  constructor(daemon: DaemonService, overview: Overview, walkthrough: Walkthrough) {
    this.#walkthrough = walkthrough;
    set("byokd.daemon", daemon.state.type);
    this.#subscriptions = [
      daemon.onDidChangeState(({ type }) => this.#daemonIs(type)),
      overview.onDidChange(({ keys, vault }) => {
        set("byokd.hasKeys", keys.length > 0);
        set("byokd.vault", vault?.state);
        if (keys.length > 0) walkthrough.complete("key");
      }),
    ];
  }

  /** There was an answer of a model. */
  answered(): void {
    set("byokd.answered", true);
    this.#walkthrough.complete("answer");
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
  }

  #daemonIs(type: DaemonState["type"]): void {
    set("byokd.daemon", type);
    if (type === "running") this.#walkthrough.complete("install");
  }
}

function set(name: string, value: unknown): void {
  void vscode.commands.executeCommand("setContext", name, value);
}
