/** Earlier turns of a conversation with `@byokd`, and what VS Code stores of them. */

import type * as vscode from "vscode";

import { MARKER_TYPE, ROLES, type GivenMessage, type PartClasses, type ResponsePart } from "../models/vscode_parts.js";

/** One answer of the model and the results of the tools that it called, as JSON. */
export interface Round {
  text: string;
  calls: readonly { id: string; name: string; input: object; result: string }[];
  marker: string | undefined;
}

/** What VS Code stores with a turn: the question as the model got it, and the rounds of the answer. */
export interface TurnMetadata {
  question: string;
  rounds: readonly Round[];
}

/** The messages of the turns before; turns of other participants are told as text. */
export function historyMessages(history: vscode.ChatContext["history"], classes: PartClasses): GivenMessage[] {
  const messages: GivenMessage[] = [];
  for (const [index, turn] of history.entries()) {
    const answer = history[index + 1];
    if ("prompt" in turn) {
      const metadata = answer && "result" in answer ? metadataOf(answer.result) : undefined;
      messages.push(user(classes, metadata?.question ?? turn.prompt));
    } else {
      const metadata = metadataOf(turn.result);
      if (metadata) messages.push(...metadata.rounds.flatMap((round) => roundMessages(round, classes)));
      else messages.push({ role: ROLES.assistant, content: [new classes.LanguageModelTextPart(shownText(turn.response))] });
    }
  }
  return messages;
}

/** The round as VS Code sends an answer back, and the results of its calls. */
export function roundMessages({ text, calls, marker }: Round, classes: PartClasses): GivenMessage[] {
  const content: unknown[] = [];
  if (marker !== undefined) content.push(new classes.LanguageModelDataPart(new TextEncoder().encode(marker), MARKER_TYPE));
  if (text) content.push(new classes.LanguageModelTextPart(text));
  content.push(...calls.map(({ id, name, input }) => new classes.LanguageModelToolCallPart(id, name, input)));
  const results = calls.map(({ id, result }) => new classes.LanguageModelToolResultPart(id, [new classes.LanguageModelTextPart(result)]));
  const answer: GivenMessage = { role: ROLES.assistant, content };
  return results.length > 0 ? [answer, { role: ROLES.user, content: results }] : [answer];
}

export function user(classes: PartClasses, ...parts: readonly (string | unknown)[]): GivenMessage {
  return { role: ROLES.user, content: parts.map((part) => (typeof part === "string" ? new classes.LanguageModelTextPart(part) : part)) };
}

/** Collects a round from the parts of an answer. */
export class RoundCollector {
  readonly #classes: PartClasses;
  text = "";
  readonly calls: { id: string; name: string; input: object }[] = [];
  marker: string | undefined;

  constructor(classes: PartClasses) {
    this.#classes = classes;
  }

  add(part: ResponsePart): void {
    const { LanguageModelTextPart, LanguageModelToolCallPart, LanguageModelDataPart } = this.#classes;
    if (part instanceof LanguageModelTextPart) this.text += part.value;
    if (part instanceof LanguageModelToolCallPart) this.calls.push({ id: part.callId, name: part.name, input: part.input });
    if (part instanceof LanguageModelDataPart && part.mimeType === MARKER_TYPE) this.marker = new TextDecoder().decode(part.data);
  }
}

function metadataOf(result: vscode.ChatResult): TurnMetadata | undefined {
  const value: unknown = result.metadata?.["byokd"];
  const isOurs = typeof value === "object" && value !== null && "question" in value && "rounds" in value && Array.isArray(value.rounds);
  return isOurs ? (value as TurnMetadata) : undefined; // VS Code returns what `chatResult` gave it
}

export function chatResult(metadata: TurnMetadata, errorDetails?: vscode.ChatErrorDetails): vscode.ChatResult {
  return { metadata: { byokd: metadata }, ...(errorDetails && { errorDetails }) };
}

function shownText(response: vscode.ChatResponseTurn["response"]): string {
  return response.map((part) => ("value" in part && typeof part.value === "object" && "value" in part.value && typeof part.value.value === "string" ? part.value.value : "")).join("");
}
