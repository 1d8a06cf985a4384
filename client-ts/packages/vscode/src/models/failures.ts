/** What went wrong with a chat, in one sentence for people, and the command that mends it. */

import { ByokdError, ConnectionClosed, isKnownAction, type Action } from "@byokd/client";

import { sentence } from "../../../page/src/format.js";
import type { Remedy } from "../daemon/unavailable.js";
import { remedyOf } from "../remedies.js";
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
  return withAdvice(sentence(messageOf(error)), remedyOf(error), error, isPartial ? [words.chat.answerIsPartial] : []);
}

/** A request to the model that stands for a missing key. */
export function noKeyFailure(): Failure {
  return { ...withAdvice(sentence(words.chat.noKeyYet), { title: words.actions.addKey, command: "byokd.addKey" }), code: "NoPermissions" };
}

function withAdvice(text: string, remedy: Remedy | undefined, error?: unknown, ending: readonly string[] = []): Failure {
  const action = error instanceof ByokdError && isKnownAction(error.data.action) ? error.data.action : undefined;
  const command = remedy && paletteName(remedy);
  const advice = (action && hint(action)) ?? (command && words.chat.runCommand(command));
  const besideButton = remedy ? undefined : advice;
  return {
    text: [text, advice, ...ending].filter(Boolean).join(" "),
    textBesideButton: [text, besideButton, ...ending].filter(Boolean).join(" "),
    remedy,
    code: error instanceof ByokdError ? CODES[error.data.kind] : undefined,
  };
}

function messageOf(error: unknown): string {
  if (error instanceof ByokdError) return error.data.userMessage;
  if (error instanceof ConnectionClosed) return words.chat.daemonEnded;
  return error instanceof Error ? error.message : String(error);
}

/** The name of a command in VS Code's command palette. */
function paletteName({ command }: Remedy): string | undefined {
  const names: { readonly [command: string]: string } = words.commandNames;
  return names[command];
}

/** What the sentence of the error leaves open. */
function hint(action: Action): string | undefined {
  switch (action.type) {
    case "wait":
      return action.retryAfterMs === null ? undefined : words.chat.tryAgainIn(Math.max(1, Math.ceil(action.retryAfterMs / 1000)));
    case "openUrl":
      return action.url ? words.chat.see(action.url) : undefined;
    case "pickModel":
      return words.chat.pickModel;
    case "checkNetwork":
      return words.chat.testConnection;
    default:
      return undefined;
  }
}
