/** Tells VS Code what `when` clauses of the manifest ask: `byokd.daemon` is the type of the daemon's state. */

import * as vscode from "vscode";

import type { DaemonService } from "./daemon/service.js";

export class Contexts implements vscode.Disposable {
  readonly #subscription: vscode.Disposable;

  constructor(daemon: DaemonService) {
    set("byokd.daemon", daemon.state.type);
    this.#subscription = daemon.onDidChangeState(({ type }) => set("byokd.daemon", type));
  }

  dispose(): void {
    this.#subscription.dispose();
  }
}

function set(name: string, value: unknown): void {
  void vscode.commands.executeCommand("setContext", name, value);
}
