/** What a person attached to a question, as parts that a model reads. */

import * as vscode from "vscode";

import { words } from "../words.js";

/** More of a file is cut off: the question and the conversation need room, too. */
const FILE_MAX_CHARS = 100_000;
const IMAGE_TYPES: { readonly [extension: string]: string } = {
  gif: "image/gif",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  png: "image/png",
  webp: "image/webp",
};

/** What VS Code adds by itself for its own agent: how to use tools that are not offered here. */
const AGENT_REFERENCES: ReadonlySet<string> = new Set(["vscode.customizations.index"]);

/** Read each reference. One that cannot be read is named as such. */
export async function referenceParts(references: readonly vscode.ChatPromptReference[]): Promise<(vscode.LanguageModelTextPart | vscode.LanguageModelDataPart)[]> {
  // VS Code attaches the selection by itself, too.
  const attached = [...new Map(references.filter(({ id }) => !AGENT_REFERENCES.has(id)).map((one) => [JSON.stringify(one.value), one])).values()];
  const parts = await Promise.all(attached.map(({ value, modelDescription }) => partOf(value, modelDescription)));
  return parts.filter((part) => part !== undefined);
}

async function partOf(value: unknown, description: string | undefined) {
  if (typeof value === "string") return text(description, value);
  try {
    if (value instanceof vscode.Uri) return await filePart(value);
    if (value instanceof vscode.Location) return await filePart(value.uri, value.range);
    if (isBinary(value)) return new vscode.LanguageModelDataPart(await value.data(), value.mimeType);
  } catch {
    return text(description, words.chat.unreadable(String(value)));
  }
  return undefined;
}

async function filePart(uri: vscode.Uri, range?: vscode.Range) {
  const name = vscode.workspace.asRelativePath(uri);
  const imageType = IMAGE_TYPES[name.split(".").at(-1)?.toLowerCase() ?? ""];
  if (imageType) return new vscode.LanguageModelDataPart(await vscode.workspace.fs.readFile(uri), imageType);
  const document = await vscode.workspace.openTextDocument(uri); // with changes that are not saved
  const lines = range ? words.chat.lines(range.start.line + 1, range.end.line + 1) : undefined;
  return text([name, lines].filter(Boolean).join(", "), document.getText(range).slice(0, FILE_MAX_CHARS));
}

function text(title: string | undefined, content: string): vscode.LanguageModelTextPart {
  const fence = "`".repeat(Math.max(3, ...[...content.matchAll(/`{3,}/g)].map(([run]) => run.length + 1)));
  return new vscode.LanguageModelTextPart(`${title ? `${title}:\n` : ""}${fence}\n${content}\n${fence}\n\n`);
}

/** A pasted image: its class is not in the stable types. */
function isBinary(value: unknown): value is { mimeType: string; data(): Thenable<Uint8Array> } {
  return typeof value === "object" && value !== null && "mimeType" in value && typeof value.mimeType === "string" && "data" in value && typeof value.data === "function";
}
