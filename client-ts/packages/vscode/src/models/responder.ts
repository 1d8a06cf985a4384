/** Answers one request of VS Code with a chat of the daemon. */

import { ByokdError, type Chat, type Effort, type SendResult, type Warn } from "@byokd/client";

import type { DaemonService } from "../daemon/service.js";
import { words } from "../words.js";
import type { Target } from "./information.js";
import { MessageReader } from "./messages.js";
import { AnswerWriter } from "./parts.js";
import { chatParams } from "./requests.js";
import { newAnswerId, type Answers } from "./states.js";
import { costWords, usageWords } from "./usage.js";
import type { GivenMessage, PartClasses, RequestOptions, ResponsePart } from "./vscode_parts.js";

export interface ResponderOptions {
  daemon: DaemonService;
  classes: PartClasses;
  answers: Answers;
  /** The person's effort for all models. */
  effort: () => Effort | undefined;
  /** Called after each complete answer. */
  onAnswered?: () => void;
  /** Called with each line for the log. */
  log: (line: string) => void;
}

/** A chat failed; `cause` says why. */
export class ChatFailed extends Error {
  constructor(
    readonly isPartial: boolean,
    options: { cause: unknown },
  ) {
    super("the chat failed", options);
  }
}

export class Responder {
  readonly #options: ResponderOptions;

  constructor(options: ResponderOptions) {
    this.#options = options;
  }

  /**
   * Report the answer to these messages. Resolves with the daemon's result, or undefined if `signal`
   * cancelled it. Rejects with `ChatFailed`.
   */
  async respond(
    target: Target,
    messages: readonly GivenMessage[],
    options: RequestOptions,
    report: (part: ResponsePart) => void,
    signal: AbortSignal,
  ): Promise<SendResult | undefined> {
    const { classes, answers, daemon, effort } = this.#options;
    const id = newAnswerId();
    const writer = new AnswerWriter(classes, id, report);
    try {
      const client = await daemon.client({ interactive: isOwnChat(options), signal });
      const read = new MessageReader(classes, answers).read(messages);
      const chat = client.chat(chatParams(target, read, options, effort()), { signal });
      const result = await this.#follow(chat, writer);
      if (signal.aborted) return undefined;
      this.#end(writer, id, target, result, isOwnChat(options));
      this.#options.onAnswered?.();
      return result;
    } catch (error) {
      if (signal.aborted) return undefined;
      if (error instanceof ByokdError) writer.usage(error.data.partial?.usage ?? null);
      throw new ChatFailed(writer.hasContent, { cause: error });
    }
  }

  async #follow(chat: Chat, writer: AnswerWriter): Promise<SendResult> {
    for await (const event of chat) {
      if (event.type === "retry") this.#options.log(words.log.retry(event.attempt, event.kind, event.delayMs));
      writer.onEvent(event);
    }
    return chat.result;
  }

  #end(writer: AnswerWriter, id: string, { provider, model }: Target, result: SendResult, isChat: boolean): void {
    const { finishReason, usage, cost } = result;
    const kept = writer.end(result.message);
    if (finishReason.unified === "contentFilter" && !writer.hasContent) throw new Error(words.chat.filtered);
    if (isChat && finishReason.unified === "contentFilter") kept.addedText += writer.note(words.chat.filteredHere);
    if (isChat && finishReason.unified === "length") kept.addedText += writer.note(words.chat.cutOff);
    const marker = this.#options.answers.keep(id, kept);
    if (marker !== undefined) writer.marker(marker, model);
    writer.usage(usage);
    this.#logWarnings(result.warnings);
    this.#options.log(words.log.answered(provider, model, usageWords(usage), costWords(cost)));
  }

  #logWarnings(warnings: readonly Warn[]): void {
    for (const { message } of warnings) this.#options.log(words.log.warning(message));
  }
}

/** Whether VS Code's own chat asks, and not another extension by the language model API. */
export function isOwnChat({ requestInitiator }: RequestOptions): boolean {
  return requestInitiator === undefined || requestInitiator === "core" || /^github\.copilot(-chat)?$/i.test(requestInitiator);
}
