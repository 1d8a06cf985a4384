/** The buttons for errors: what a person can do about one, as a command of VS Code. */

import { ByokdError, ConnectionClosed, isKnownAction, type Action, type ErrorData } from "@byokd/client";

import type { Place } from "../../page/src/host.js";
import { DaemonUnavailable, EDIT_CONFIG, RESTART, type Remedy } from "./daemon/unavailable.js";
import { words } from "./words.js";

/** The button for an error; undefined if a person acts outside of VS Code, just waits, or can do nothing. */
export function remedyOf(error: unknown): Remedy | undefined {
  if (error instanceof DaemonUnavailable) return error.action;
  if (error instanceof ConnectionClosed) return RESTART;
  return error instanceof ByokdError ? ofAction(error.data) : undefined;
}

function ofAction({ action, provider }: ErrorData): Remedy | undefined {
  return isKnownAction(action) ? remedyFor(action, provider) : undefined;
}

const { actions } = words;

/** The command for an action of the daemon; `provider` is the one whose request failed. */
function remedyFor(action: Action, provider: string | null): Remedy | undefined {
  switch (action.type) {
    case "promptKey":
      if (action.keyId !== null) return page(actions.updateKey, { view: "providers", provider: action.provider, keyId: action.keyId });
      return { title: actions.addKey, command: "byokd.addKey", arguments: action.provider === null ? [] : [action.provider] };
    case "enableKey":
    case "acceptOrigin":
      return page(actions.manageKeys, { view: "providers", provider, keyId: action.keyId });
    case "unlockVault":
      return { title: actions.unlockVault, command: "byokd.unlockVault" };
    case "initializeVault":
    case "resetVault":
    case "rekeyVault":
    case "restoreBackup":
      return page(actions.openVault, { view: "vault" });
    case "editSettings":
      return EDIT_CONFIG;
    case "refreshCatalog":
      return { title: action.accept ? actions.showChanges : actions.refreshCatalog, command: "byokd.refreshCatalog", arguments: [{ accept: action.accept }] };
    case "pickModel":
      return { title: actions.pickModel, command: "workbench.action.chat.openModelPicker" };
    case "openUrl":
      return { title: actions.openUrl, command: "vscode.open", arguments: [action.url] };
    case "checkNetwork":
      return provider === null ? undefined : page(actions.testConnection, { view: "providers", provider });
    case "wait":
    case "raiseBudget":
    case "freeSpace":
      return undefined;
  }
}

function page(title: string, place: Place): Remedy {
  return { title, command: "byokd.openProviders", arguments: [place] };
}
