/** Tells VS Code what `when` clauses of the manifest ask: `byokd.daemon` is the type of the daemon's state, `byokd.vault` the state of the vault, `byokd.hasKeys` whether there are keys. */

import * as vscode from "vscode";

import type { DaemonService } from "./daemon/service.js";
import type { Overview } from "./status/overview.js";

export class Contexts implements vscode.Disposable {
  readonly #subscriptions: vscode.Disposable[];

  constructor(daemon: DaemonService, overview: Overview) {
    set("byokd.daemon", daemon.state.type);
    this.#subscriptions = [
      daemon.onDidChangeState(({ type }) => set("byokd.daemon", type)),
      overview.onDidChange(({ keys, vault }) => {
        set("byokd.hasKeys", keys.length > 0);
        set("byokd.vault", vault?.state);
      }),
    ];
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
  }
}

function set(name: string, value: unknown): void {
  void vscode.commands.executeCommand("setContext", name, value);
}
