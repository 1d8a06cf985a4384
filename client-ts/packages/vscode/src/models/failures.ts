/** What went wrong with a chat, in one sentence for people, and the command that mends it. */

import { ByokdError, ConnectionClosed, isKnownAction, type Action } from "@byokd/client";

import { sentence } from "../../../page/src/format.js";
import type { Place } from "../../../page/src/host.js";
import { DaemonUnavailable, type Remedy } from "../daemon/unavailable.js";
import { words } from "../words.js";

export interface Failure {
  /** Sentences: what happened, and what to do, with the name of the command. */
  text: string;
  /** The same for a place that has a button for the command. */
  textBesideButton: string;
  /** What a button does about it. */
  remedy: Remedy | undefined;
  /** Which error of VS Code's API this is; undefined if none of them means it. */
  code: "NotFound" | "NoPermissions" | "Blocked" | undefined;
}

const CODES: { readonly [kind: string]: Failure["code"] } = {
  modelNotFound: "NotFound",
  keyMissing: "NoPermissions",
  keyInvalid: "NoPermissions",
  keyForbidden: "NoPermissions",
  keyDisabled: "NoPermissions",
  vaultLocked: "NoPermissions",
  vaultUninitialized: "NoPermissions",
  rateLimited: "Blocked",
  insufficientFunds: "Blocked",
  budgetExceeded: "Blocked",
  sharedQuotaExceeded: "Blocked",
};

/** `isPartial`: some of the answer was shown before it failed. */
export function failureOf(error: unknown, isPartial = false): Failure {
  const { text, remedy, code } = described(error);
  const command = remedy && paletteName(remedy);
  const advice = command ? ` ${words.chat.runCommand(command)}` : "";
  const ending = isPartial ? ` ${words.chat.answerIsPartial}` : "";
  return { text: text + advice + ending, textBesideButton: text + ending, remedy, code };
}

/** A request to the model that stands for a missing key. */
export function noKeyFailure(): Failure {
  const textBesideButton = sentence(words.chat.noKeyYet);
  const remedy: Remedy = { title: words.chat.commands.addKey, command: "byokd.addKey" };
  return { text: `${textBesideButton} ${words.chat.runCommand(words.commandNames["byokd.addKey"])}`, textBesideButton, remedy, code: "NoPermissions" };
}

function described(error: unknown): Omit<Failure, "textBesideButton"> {
  if (error instanceof ByokdError) {
    const { userMessage, action, kind } = error.data;
    const known = isKnownAction(action) ? action : undefined;
    const more = known && hint(known);
    return { text: [sentence(userMessage), more].filter(Boolean).join(" "), remedy: known && remedyOf(known), code: CODES[kind] };
  }
  if (error instanceof DaemonUnavailable) return { text: sentence(error.message), remedy: error.action, code: undefined };
  if (error instanceof ConnectionClosed) return { text: sentence(words.chat.daemonEnded), remedy: RESTART, code: undefined };
  return { text: sentence(error instanceof Error ? error.message : String(error)), remedy: undefined, code: undefined };
}

/** The name of a command in VS Code's command palette. */
function paletteName({ command }: Remedy): string | undefined {
  const names: { readonly [command: string]: string } = words.commandNames;
  return names[command];
}

const RESTART: Remedy = { title: words.actions.restart, command: "byokd.restartDaemon" };

/** What the sentence of the error leaves open. */
function hint(action: Action): string | undefined {
  switch (action.type) {
    case "wait":
      return action.retryAfterMs === null ? undefined : words.chat.tryAgainIn(Math.max(1, Math.ceil(action.retryAfterMs / 1000)));
    case "openUrl":
      return action.url ? words.chat.see(action.url) : undefined;
    case "pickModel":
      return words.chat.pickModel;
    default:
      return undefined;
  }
}

/** The command for an action; undefined if a person acts outside of VS Code, or just waits. */
export function remedyOf(action: Action): Remedy | undefined {
  const { commands } = words.chat;
  switch (action.type) {
    case "promptKey":
      return action.keyId === null
        ? { title: commands.addKey, command: "byokd.addKey", arguments: [{ provider: action.provider }] }
        : openPage(commands.updateKey, { view: "providers", provider: action.provider, keyId: action.keyId });
    case "enableKey":
    case "acceptOrigin":
      return openPage(commands.manageKeys, { view: "providers", keyId: action.keyId });
    case "unlockVault":
      return { title: commands.unlockVault, command: "byokd.unlockVault" };
    case "initializeVault":
    case "resetVault":
    case "rekeyVault":
    case "restoreBackup":
      return openPage(commands.openVault, { view: "vault" });
    case "refreshCatalog":
      return { title: commands.refreshCatalog, command: "byokd.refreshCatalog" };
    default:
      return undefined;
  }
}

function openPage(title: string, place: Place): Remedy {
  return { title, command: "byokd.openProviders", arguments: [place] };
}
