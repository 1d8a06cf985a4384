/** VS Code's parts, and what it does to the parts of an answer before it sends them back. */

import type { GivenMessage, PartClasses, ResponsePart, ThinkingPart } from "../src/models/vscode_parts.js";

class TextPart {
  constructor(readonly value: string) {}
}
class ToolCallPart {
  constructor(readonly callId: string, readonly name: string, readonly input: object) {}
}
class ToolResultPart {
  constructor(readonly callId: string, readonly content: unknown[]) {}
}
class PromptTsxPart {
  constructor(readonly value: unknown) {}
}
class DataPart {
  constructor(readonly data: Uint8Array, readonly mimeType: string) {}
}
class Thinking implements ThinkingPart {
  constructor(readonly value: string, readonly id?: string, readonly metadata?: { readonly [name: string]: unknown }) {}
}

export const classes: PartClasses = {
  LanguageModelTextPart: TextPart,
  LanguageModelToolCallPart: ToolCallPart,
  LanguageModelToolResultPart: ToolResultPart,
  LanguageModelPromptTsxPart: PromptTsxPart,
  LanguageModelDataPart: DataPart,
  LanguageModelThinkingPart: Thinking,
};

/** VS Code 1.103 and older: no thoughts. */
export const { LanguageModelThinkingPart: _, ...oldClasses } = classes;

export const text = (value: string): TextPart => new TextPart(value);
export const image = (data: Uint8Array, mimeType = "image/png"): DataPart => new DataPart(data, mimeType);
export const result = (callId: string, ...content: unknown[]): ToolResultPart => new ToolResultPart(callId, content);

/** What of an answer a caller can send back. */
export interface Answered {
  text: string;
  calls: { id: string; name: string; arguments: string }[];
  thinking: { id: string; text: string } | undefined;
  marker: string | undefined;
  usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number } | undefined;
  others: ResponsePart[];
}

/**
 * Read an answer as the agent of VS Code 1.139 does: texts are joined, arguments become JSON, of the
 * thoughts the last id and the joined text stay, and of the marker what follows the backslash.
 */
export function received(parts: readonly ResponsePart[]): Answered {
  const answer: Answered = { text: "", calls: [], thinking: undefined, marker: undefined, usage: undefined, others: [] };
  for (const part of parts) {
    if (part instanceof TextPart) answer.text += part.value;
    else if (part instanceof ToolCallPart) answer.calls.push({ id: part.callId, name: part.name, arguments: JSON.stringify(part.input) });
    else if (part instanceof Thinking) answer.thinking = { id: part.id ?? answer.thinking?.id ?? "", text: (answer.thinking?.text ?? "") + part.value };
    else if (part instanceof DataPart && part.mimeType === "stateful_marker") answer.marker = new TextDecoder().decode(part.data).split("\\")[1];
    else if (part instanceof DataPart && part.mimeType === "usage") answer.usage = JSON.parse(new TextDecoder().decode(part.data));
    else answer.others.push(part);
  }
  return answer;
}

/** Which of the three ways of VS Code to send an answer back. */
export type Back =
  /** Text and calls only: another extension, by the language model API. */
  | "plain"
  /** Thoughts with their id: the agent of VS Code, within one turn. */
  | "thinking"
  /** The marker, without thoughts: the agent of VS Code in later turns, and after a reload. */
  | "marker";

export function sentBack(answer: Answered, back: Back, model = "m"): GivenMessage {
  const content: unknown[] = [];
  if (back === "marker" && answer.marker) content.push(new DataPart(new TextEncoder().encode(`${model}\\${answer.marker}`), "stateful_marker"));
  if (back === "thinking" && answer.thinking) content.push(new Thinking(answer.thinking.text, answer.thinking.id));
  if (answer.text) content.push(new TextPart(answer.text));
  for (const { id, name, arguments: input } of answer.calls) content.push(new ToolCallPart(id, name, JSON.parse(input)));
  return { role: 2, content };
}
