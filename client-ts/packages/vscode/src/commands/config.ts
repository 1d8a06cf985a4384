/** Opens the daemon's `config.toml`, and offers to restart the daemon when it was saved. */

import { existsSync } from "node:fs";

import * as vscode from "vscode";

import { daemonSettings } from "../config.js";
import { configFile } from "../daemon/places.js";
import { register } from "../messages.js";
import { words } from "../words.js";

export function configCommands(): vscode.Disposable[] {
  return [
    register("byokd.openConfig", open),
    vscode.workspace.onDidSaveTextDocument(({ uri }) => {
      if (uri.fsPath === place().fsPath) void offerRestart();
    }),
  ];
}

function place(): vscode.Uri {
  return vscode.Uri.file(daemonSettings().configFile ?? configFile());
}

/** A file that is not there yet is made when the person saves it. */
async function open(): Promise<void> {
  const file = place();
  if (existsSync(file.fsPath)) {
    await vscode.window.showTextDocument(file);
    return;
  }
  const editor = await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(file.with({ scheme: "untitled" })));
  if (editor.document.getText() === "") await editor.edit((edit) => edit.insert(new vscode.Position(0, 0), words.config.template));
}

async function offerRestart(): Promise<void> {
  const choice = await vscode.window.showInformationMessage(words.config.saved, words.config.restart);
  if (choice !== undefined) await vscode.commands.executeCommand("byokd.restartDaemon");
}
