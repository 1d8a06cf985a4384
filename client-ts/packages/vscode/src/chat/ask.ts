/** "Ask byokd": a question about the selection, answered in the chat view. */

import * as vscode from "vscode";

import { words } from "../words.js";

export async function askAboutSelection(): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  if (!editor) return void vscode.window.showInformationMessage(words.chat.noEditor);
  const question = await vscode.window.showInputBox({ title: words.chat.askTitle, prompt: words.chat.askPrompt, ignoreFocusOut: true });
  if (!question?.trim()) return;
  const { document, selection } = editor;
  const { start, end } = selection.isEmpty ? document.lineAt(selection.active.line).range : selection;
  // The numbers of VS Code's own ranges begin with 1.
  const range = { startLineNumber: start.line + 1, startColumn: start.character + 1, endLineNumber: end.line + 1, endColumn: end.character + 1 };
  await vscode.commands.executeCommand("workbench.action.chat.open", {
    query: `@byokd ${question.trim()}`,
    attachFiles: [{ uri: document.uri, range }],
  });
}
