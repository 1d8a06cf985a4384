/** The models of byokd for every part of VS Code that takes models: vendor `byokd`. */

import * as vscode from "vscode";

import type { FailureNotices } from "./failure_notices.js";
import { failureOf, noKeyFailure } from "./failures.js";
import { NO_KEY, type ByokdModel } from "./information.js";
import type { ModelList } from "./list.js";
import { MessageReader } from "./messages.js";
import { ChatFailed, isOwnChat, type Responder } from "./responder.js";
import type { Answers } from "./states.js";
import type { TokenCounts } from "./counts.js";
import type { UtilityNotice } from "./utility.js";
import type { PartClasses, RequestOptions, ResponsePart } from "./vscode_parts.js";

export const VENDOR = "byokd";

export interface ProviderParts {
  list: ModelList;
  responder: Responder;
  counts: TokenCounts;
  answers: Answers;
  failures: FailureNotices;
  utility: UtilityNotice;
}

export class ModelProvider implements vscode.LanguageModelChatProvider<ByokdModel> {
  readonly #parts: ProviderParts;
  readonly onDidChangeLanguageModelChatInformation: vscode.Event<void>;

  constructor(parts: ProviderParts) {
    this.#parts = parts;
    this.onDidChangeLanguageModelChatInformation = parts.list.onDidChange;
  }

  async provideLanguageModelChatInformation(
    options: vscode.PrepareLanguageModelChatModelOptions,
    token: vscode.CancellationToken,
  ): Promise<ByokdModel[]> {
    if (options.silent) {
      const silent = await this.#parts.list.models(false);
      return silent.length === 0 && this.#parts.list.isKnown ? [NO_KEY] : [...silent];
    }
    const models = await withSignal(token, (signal) => this.#parts.list.models(true, signal));
    // The person asked for models of byokd and has none.
    if (models.length === 0) void vscode.commands.executeCommand("byokd.addKey");
    return [...models];
  }

  async provideLanguageModelChatResponse(
    model: ByokdModel,
    messages: readonly vscode.LanguageModelChatRequestMessage[],
    options: vscode.ProvideLanguageModelChatResponseOptions & RequestOptions,
    progress: vscode.Progress<vscode.LanguageModelResponsePart>,
    token: vscode.CancellationToken,
  ): Promise<void> {
    const { responder, utility, failures } = this.#parts;
    if (model.id === NO_KEY.id) throw this.#noKey(options);
    utility.seen(model, messages, options);
    // Thoughts are forwarded though the stable type does not name them.
    const report = (part: ResponsePart) => progress.report(part as vscode.LanguageModelResponsePart);
    try {
      await withSignal(token, (signal) => responder.respond(model.target, messages, options, report, signal));
    } catch (error) {
      if (!(error instanceof ChatFailed)) throw error;
      const failure = failureOf(error.cause, error.isPartial);
      if (isOwnChat(options)) failures.show(failure);
      throw isOwnChat(options) ? plain(failure.text) : asApiError(failure.text, failure.code);
    }
  }

  /** VS Code's own chat cannot ask for a key; a button beside its error can. */
  #noKey(options: RequestOptions): Error {
    const failure = noKeyFailure();
    if (isOwnChat(options)) this.#parts.failures.show(failure);
    return isOwnChat(options) ? plain(failure.text) : asApiError(failure.text, failure.code);
  }

  provideTokenCount(model: ByokdModel, text: string | vscode.LanguageModelChatRequestMessage): Promise<number> {
    const { counts, answers } = this.#parts;
    if (typeof text === "string") return counts.count(model.target, [text]);
    return counts.count(model.target, new MessageReader(partClasses, answers).read([text]));
  }
}

/** `LanguageModelThinkingPart` is not in the stable types; versions without it have no such member. */
export const partClasses: PartClasses = vscode as typeof vscode & PartClasses;

/** VS Code's chat shows the stack of an error if there is one, else its message. */
function plain(text: string): Error {
  const error = new Error(text);
  delete error.stack;
  return error;
}

/** Other extensions branch on the class and code of VS Code's own errors. */
function asApiError(text: string, code: ReturnType<typeof failureOf>["code"]): Error {
  return code ? vscode.LanguageModelError[code](text) : new vscode.LanguageModelError(text);
}

/** Call `task` with a signal that is aborted when the token is cancelled. */
export async function withSignal<T>(token: vscode.CancellationToken, task: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const subscription = token.onCancellationRequested(() => stop.abort());
  if (token.isCancellationRequested) stop.abort();
  try {
    return await task(stop.signal);
  } finally {
    subscription.dispose();
  }
}
