/**
 * Ticks the steps of the walkthrough.
 *
 * VS Code ticks a step when the context of its `completionEvents` becomes true, but not if it was true
 * before VS Code had registered the walkthrough (seen in 1.139.1), as with keys that another editor has
 * stored. Its own command ticks a step at any time.
 */

import * as vscode from "vscode";

export type WalkthroughStep = "install" | "key" | "answer";

export class Walkthrough {
  readonly #id: string;
  readonly #done = new Set<WalkthroughStep>();

  constructor(extensionId: string) {
    this.#id = `${extensionId}#start`;
  }

  /** Show it from its first step that is not done. */
  async open(): Promise<void> {
    await vscode.commands.executeCommand("workbench.action.openWalkthrough", this.#id, false);
  }

  /** Tick a step, once in a window. */
  complete(step: WalkthroughStep): void {
    if (this.#done.has(step)) return;
    this.#done.add(step);
    // A VS Code without the command, or that has not registered the step yet, still has the context.
    vscode.commands.executeCommand("welcome.markStepComplete", `${this.#id}#${step}`).then(undefined, () => {});
  }
}
