/** Shows the parts of an answer in the chat view. */

import type * as vscode from "vscode";

import type { PartClasses, ResponsePart } from "../models/vscode_parts.js";
import { words } from "../words.js";

export class ResponseView {
  readonly #classes: PartClasses;
  readonly #stream: vscode.ChatResponseStream;
  readonly #showThinking: boolean;
  #isThinking = false;

  constructor(classes: PartClasses, stream: vscode.ChatResponseStream, showThinking: boolean) {
    this.#classes = classes;
    this.#stream = stream;
    this.#showThinking = showThinking;
  }

  show(part: ResponsePart): void {
    const { LanguageModelTextPart, LanguageModelThinkingPart } = this.#classes;
    if (part instanceof LanguageModelTextPart) {
      this.#stream.markdown(this.#isThinking && this.#showThinking ? `\n\n${part.value}` : part.value);
      this.#isThinking = false;
    } else if (LanguageModelThinkingPart && part instanceof LanguageModelThinkingPart) {
      this.#thought([part.value].flat().join(""));
    }
  }

  /** Thoughts as a quotation, or only that there are some: VS Code's own form for them is not open to extensions. */
  #thought(text: string): void {
    if (!this.#showThinking && !this.#isThinking) this.#stream.progress(words.chat.thinking);
    if (this.#showThinking) this.#stream.markdown((this.#isThinking ? "" : "> ") + text.replaceAll("\n", "\n> "));
    this.#isThinking = true;
  }
}
