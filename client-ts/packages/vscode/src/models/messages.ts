/** Messages of VS Code as messages of the daemon. */

import type { FilePartInput, ImagePartInput, Json, Message, Part, TextPartInput, ToolResultPart } from "@byokd/client";
import type * as vscode from "vscode";

import type { Answers } from "./states.js";
import { textOfTsx } from "./tsx.js";
import { INTERNAL_DATA, MARKER_TYPE, ROLES, type GivenMessage, type PartClasses } from "./vscode_parts.js";

/** Reads the messages of one request; `answers` adds what VS Code does not give back. */
export class MessageReader {
  readonly #classes: PartClasses;
  readonly #answers: Answers;
  readonly #callIds = new Map<string, string>();

  constructor(classes: PartClasses, answers: Answers) {
    this.#classes = classes;
    this.#answers = answers;
  }

  read(messages: readonly GivenMessage[]): Message[] {
    return messages.flatMap((message) => this.#message(message)).filter(({ content }) => content.length > 0);
  }

  #message({ role, content }: GivenMessage): Message[] {
    const parts = typeof content === "string" ? [content] : content;
    switch (role) {
      case ROLES.system:
        return [{ role: "system", content: parts.flatMap((part) => this.#content(part)).filter((part) => part.type === "text") }];
      case ROLES.assistant:
        return [this.#answer(parts)];
      default:
        return this.#turns(parts);
    }
  }

  #answer(given: readonly unknown[]): Message {
    const thinkingIds: string[] = [];
    const markers: string[] = [];
    const parts: Part[] = [];
    for (const part of given) {
      if (this.#isThinking(part)) {
        if (part.id) thinkingIds.push(part.id);
        const thought = [part.value].flat().join("");
        if (thought.trim()) parts.push({ type: "reasoning", text: thought, kind: "raw" });
      } else if (part instanceof this.#classes.LanguageModelToolCallPart) {
        parts.push({ type: "toolCall", callId: part.callId, name: part.name, arguments: asJson(part.input) });
      } else if (part instanceof this.#classes.LanguageModelDataPart && part.mimeType === MARKER_TYPE) {
        markers.push(markerOf(part.data));
      } else {
        parts.push(...this.#content(part));
      }
    }
    const { message, callIds } = this.#answers.restore({ parts, thinkingIds, markers });
    for (const [given_, own] of callIds) this.#callIds.set(given_, own);
    return message;
  }

  /** What a person and the tools say, as messages: results of tools have a role of their own. */
  #turns(given: readonly unknown[]): Message[] {
    const turns: { role: "user" | "tool"; content: Part[] }[] = [];
    for (const part of given) {
      const isResult = part instanceof this.#classes.LanguageModelToolResultPart;
      const read = isResult ? [this.#result(part)] : this.#content(part);
      const role = isResult ? "tool" : "user";
      const last = turns.at(-1);
      if (last?.role === role) last.content.push(...read);
      else turns.push({ role, content: read });
    }
    return turns;
  }

  #result(part: vscode.LanguageModelToolResultPart): ToolResultPart {
    const content = part.content.flatMap((item) => this.#content(item)).filter((item) => item.type !== "file");
    const isError = "isError" in part && part.isError === true;
    return { type: "toolResult", callId: this.#callIds.get(part.callId) ?? part.callId, content, ...(isError && { isError }) };
  }

  /** Text, image or file; nothing for data that VS Code attaches for itself. */
  #content(part: unknown): (TextPartInput | ImagePartInput | FilePartInput)[] {
    const { LanguageModelTextPart, LanguageModelDataPart, LanguageModelPromptTsxPart } = this.#classes;
    if (typeof part === "string") return [text(part)];
    if (isPlainText(part)) return [text(part.value)];
    if (part instanceof LanguageModelTextPart) return [text(part.value)];
    if (part instanceof LanguageModelPromptTsxPart) return [text(textOfTsx(part.value))];
    if (part instanceof LanguageModelDataPart) return dataPart(part.data, part.mimeType);
    return [];
  }

  #isThinking(part: unknown): part is InstanceType<NonNullable<PartClasses["LanguageModelThinkingPart"]>> {
    const { LanguageModelThinkingPart } = this.#classes;
    return LanguageModelThinkingPart !== undefined && part instanceof LanguageModelThinkingPart;
  }
}

/** Data as the part that a model reads; text of any kind is text. */
export function dataPart(data: Uint8Array, mimeType: string): (TextPartInput | ImagePartInput | FilePartInput)[] {
  if (INTERNAL_DATA.has(mimeType)) return [];
  if (mimeType.startsWith("image/")) return [{ type: "image", data: base64(data), mediaType: mimeType }];
  if (/^text\/|[/+](?:json|xml|yaml)\b/.test(mimeType)) return [text(new TextDecoder().decode(data))];
  return [{ type: "file", data: base64(data), mediaType: mimeType }];
}

const text = (value: string): TextPartInput => ({ type: "text", text: value });

/** A part as VS Code's main process sends it to be counted, without its class. */
function isPlainText(part: unknown): part is { value: string } {
  return typeof part === "object" && part !== null && "type" in part && part.type === "text" && "value" in part && typeof part.value === "string";
}

/** Copilot writes the model's id before the marker, and a backslash between them. */
function markerOf(data: Uint8Array): string {
  return new TextDecoder().decode(data).split("\\").at(-1) ?? "";
}

function base64(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64");
}

/** A value without what JSON cannot hold. */
export function asJson(value: unknown): Json {
  return value === undefined ? null : (JSON.parse(JSON.stringify(value) ?? "null") as Json); // JSON by construction
}
