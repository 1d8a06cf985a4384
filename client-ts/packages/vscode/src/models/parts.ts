/** The events of the daemon as parts of VS Code, while an answer arrives. */

import type { Answer, AnswerPart, ChatEvent, Source, ToolCallEndEvent, Usage } from "@byokd/client";

import { words } from "../words.js";
import { callIdOf, inputOf, type KeptAnswer } from "./states.js";
import { MARKER_TYPE, USAGE_TYPE, type PartClasses, type ResponsePart } from "./vscode_parts.js";

/** Reports one answer. Create one per request. */
export class AnswerWriter {
  readonly #classes: PartClasses;
  readonly #report: (part: ResponsePart) => void;
  readonly #answerId: string;
  readonly #sources: Source[] = [];
  readonly #callIds: string[] = [];
  #afterThought = false;
  /** Whether anything arrived that a person sees. */
  hasContent = false;

  constructor(classes: PartClasses, answerId: string, report: (part: ResponsePart) => void) {
    this.#classes = classes;
    this.#answerId = answerId;
    this.#report = report;
  }

  onEvent(event: ChatEvent): void {
    switch (event.type) {
      case "textDelta":
        return this.#text(event.delta);
      case "reasoningStart":
        if (this.#afterThought) this.#thought("\n\n");
        return;
      case "reasoningDelta":
        return this.#thought(event.delta);
      case "toolCallEnd":
        return this.#call(event);
      case "citation":
        return void this.#sources.push(event.source);
      default:
        return;
    }
  }

  /** Report what comes last: the sources and media of the answer. Returns what is to be kept of it. */
  end(message: Answer): KeptAnswer {
    let addedText = message.content.map((part) => this.#media(part)).join("");
    if (this.#sources.length > 0) addedText += this.note(sourceList(this.#sources));
    return { message, callIds: this.#callIds, addedText };
  }

  /** Show `text` after the answer. Returns what is shown: it is no part of what the model said. */
  note(text: string): string {
    const shown = this.hasContent ? `\n\n${text}` : text;
    this.#text(shown);
    return shown;
  }

  marker(marker: string, model: string): void {
    const data = new TextEncoder().encode(`${model.replaceAll("\\", "/")}\\${marker}`);
    this.#report(new this.#classes.LanguageModelDataPart(data, MARKER_TYPE));
  }

  /** Report the usage, from which VS Code draws how full the context is; nothing if it is not known. */
  usage(usage: Usage | null): void {
    const counts = usage && usageJson(usage);
    if (!counts) return;
    const data = new TextEncoder().encode(JSON.stringify(counts));
    this.#report(new this.#classes.LanguageModelDataPart(data, USAGE_TYPE));
  }

  #text(text: string): void {
    this.#afterThought = false;
    this.hasContent = true;
    this.#report(new this.#classes.LanguageModelTextPart(text));
  }

  #thought(text: string): void {
    const { LanguageModelThinkingPart } = this.#classes;
    if (!LanguageModelThinkingPart) return;
    this.#afterThought = true;
    this.#report(new LanguageModelThinkingPart(text, this.#answerId));
  }

  #call(call: ToolCallEndEvent): void {
    this.#afterThought = false;
    this.hasContent = true;
    const id = callIdOf(this.#answerId, this.#callIds.push(call.callId) - 1);
    this.#report(new this.#classes.LanguageModelToolCallPart(id, call.name, inputOf(call)));
  }

  #media(part: AnswerPart): string {
    if (part.type !== "image" && part.type !== "file") return "";
    if (part.data !== null) {
      const type = part.mediaType ?? "application/octet-stream";
      this.#report(new this.#classes.LanguageModelDataPart(Buffer.from(part.data, "base64"), type));
    }
    const name = words.models.mediaNotShown(part.mediaType);
    return this.note(part.url && isWebAddress(part.url) ? `[${name}](${part.url})` : name);
  }
}

/** The counts in the form of OpenAI, which VS Code's chat reads; undefined if one is not known. */
export function usageJson(usage: Usage): object | undefined {
  const { inputFresh, inputCacheRead, inputCacheWrite, outputText, outputReasoning } = usage;
  if (inputFresh === null || outputText === null) return undefined;
  const prompt = inputFresh + inputCacheRead + inputCacheWrite;
  const completion = outputText + outputReasoning;
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: inputCacheRead },
    completion_tokens_details: { reasoning_tokens: outputReasoning },
  };
}

/** The sources of an answer as a numbered list, each once. */
function sourceList(sources: readonly Source[]): string {
  const lines = sources.map(({ url, title, document }) => {
    const name = (title ?? document ?? url ?? "").replaceAll(/[[\]\\]/g, "\\$&");
    return url && isWebAddress(url) ? `[${name}](${url})` : name;
  });
  return [...new Set(lines)].filter(Boolean).map((line, index) => `${index + 1}. ${line}`).join("\n");
}

/** Whether an address may be a link in Markdown. */
const isWebAddress = (url: string): boolean => /^https?:\/\/[^\s()<>]+$/.test(url);
