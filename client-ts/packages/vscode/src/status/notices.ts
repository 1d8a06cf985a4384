/** The questions of the daemon as notifications of VS Code. */

import type { ShowMessageRequest } from "@byokd/client";
import * as vscode from "vscode";

import type { Place } from "../../../page/src/host.js";
import type { DaemonService } from "../daemon/service.js";
import { showError } from "../messages.js";
import type { ProvidersPanel } from "../page/panel.js";
import { Questions } from "./questions.js";

/** LSP's number of a warning. */
const WARNING = 2;

/** Show the questions of the daemon, on the page or as notifications. */
export function showQuestions(daemon: DaemonService, panel: ProvidersPanel): void {
  new Questions(daemon, {
    page: () => panel.visible,
    onDidChangeVisibility: panel.onDidChangeVisibility,
    notify,
    open: (at: Place) => panel.open(at),
    fail: (error) => void showError(error),
  });
}

function notify({ type, message, actions }: ShowMessageRequest): Thenable<string | undefined> {
  const titles = actions.map(({ title }) => title);
  const show = type <= WARNING ? vscode.window.showWarningMessage : vscode.window.showInformationMessage;
  return show(message, ...titles);
}
