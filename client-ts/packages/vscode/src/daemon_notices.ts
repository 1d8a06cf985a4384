/** Tells the person once per window what they must know of the daemon: it ended too often, or is outdated. */

import type { Disposable } from "vscode";

import type { DaemonService, DaemonState } from "./daemon/service.js";
import { SHOW_LOG, UPDATE } from "./daemon/unavailable.js";
import { warn } from "./messages.js";
import { words } from "./words.js";

export class DaemonNotices implements Disposable {
  readonly #subscription: Disposable;
  #showedOutdated = false;

  constructor(daemon: DaemonService, extensionVersion: string) {
    let before = daemon.state.type;
    this.#subscription = daemon.onDidChangeState((state) => {
      if (hasCrashed(state, before)) void warn(state.error.message, [state.error.action, SHOW_LOG]);
      if (state.type === "running" && state.version.isOutdated && !this.#showedOutdated) {
        this.#showedOutdated = true;
        void warn(words.daemon.outdated(state.version.text ?? "?", extensionVersion), [UPDATE]);
      }
      before = state.type;
    });
  }

  dispose(): void {
    this.#subscription.dispose();
  }
}

/** A start that fails is shown to who asked for it; nobody asked a daemon that ended by itself. */
function hasCrashed(state: DaemonState, before: DaemonState["type"]): state is DaemonState & { type: "failed" } {
  return state.type === "failed" && (before === "running" || before === "restarting");
}
