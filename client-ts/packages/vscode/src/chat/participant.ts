/** `@byokd`: the chat for people who are not signed in to a chat service. */

import * as vscode from "vscode";

import { sentence } from "../../../page/src/format.js";
import { chatSettings } from "../config.js";
import type { Remedy } from "../daemon/unavailable.js";
import { failureOf, type Failure } from "../models/failures.js";
import type { ByokdModel } from "../models/information.js";
import type { ModelList } from "../models/list.js";
import { partClasses, withSignal } from "../models/provider.js";
import { ChatFailed, type Responder } from "../models/responder.js";
import { costWords, usageWords } from "../models/usage.js";
import type { GivenMessage } from "../models/vscode_parts.js";
import { words } from "../words.js";
import type { ModelChoice } from "./choice.js";
import { chatResult, historyMessages, RoundCollector, roundMessages, user, type Round, type TurnMetadata } from "./history.js";
import { referenceParts } from "./references.js";
import { ResponseView } from "./view.js";

export const PARTICIPANT = "byokd.chat";
/** An answer that calls tools more often than this is not coming to an end. */
const ROUNDS_MAX = 25;

export interface ParticipantParts {
  list: ModelList;
  responder: Responder;
  choice: ModelChoice;
}

type Stream = vscode.ChatResponseStream;

export class Participant {
  readonly #parts: ParticipantParts;

  constructor(parts: ParticipantParts) {
    this.#parts = parts;
  }

  readonly handle: vscode.ChatRequestHandler = (request, context, stream, token) =>
    withSignal(token, async (signal) => {
      try {
        return await this.#answer(request, context, stream, signal);
      } catch (error) {
        if (signal.aborted) return {};
        return this.#failed(failureOf(error), stream, { question: request.prompt, rounds: [] });
      }
    });

  async #answer(request: vscode.ChatRequest, context: vscode.ChatContext, stream: Stream, signal: AbortSignal): Promise<vscode.ChatResult> {
    const models = await this.#models(stream, signal);
    const { choice } = this.#parts;
    const model = request.command === "model" ? await choice.ask(models) : await choice.of(request, models);
    if (!model) return this.#reply(stream, words.chat.noModelChosen);
    if (request.command === "model" && !request.prompt.trim()) return this.#reply(stream, words.chat.modelChosen(model.name, model.detail ?? ""));
    return this.#converse(model, request, context, stream, signal);
  }

  /** The models that there are. Without a key it shows how to add one, and goes on when that is done. */
  async #models(stream: Stream, signal: AbortSignal): Promise<readonly ByokdModel[]> {
    const { list } = this.#parts;
    const models = await list.models(true, signal);
    if (models.length > 0) return models;
    stream.markdown(words.chat.noKey);
    stream.button({ command: "byokd.addKey", title: words.actions.addKey });
    stream.progress(words.chat.waitingForKey);
    return list.untilSome(signal);
  }

  async #converse(model: ByokdModel, request: vscode.ChatRequest, context: vscode.ChatContext, stream: Stream, signal: AbortSignal): Promise<vscode.ChatResult> {
    const attached = await referenceParts(request.references);
    const rounds: Round[] = [];
    const messages: GivenMessage[] = [...historyMessages(context.history, partClasses), user(partClasses, ...attached, request.prompt)];
    // Images are not stored with the conversation; texts are.
    const texts = attached.filter((part) => part instanceof vscode.LanguageModelTextPart).map(({ value }) => value);
    const metadata: TurnMetadata = { question: [...texts, request.prompt].join("\n\n"), rounds };
    try {
      while (!signal.aborted && rounds.length < ROUNDS_MAX) {
        const round = await this.#round(model, messages, request, stream, signal);
        rounds.push(round);
        if (round.calls.length === 0) break;
        messages.push(...roundMessages(round, partClasses));
      }
    } catch (error) {
      if (!(error instanceof ChatFailed)) throw error;
      return this.#failed(failureOf(error.cause, error.isPartial), stream, metadata);
    }
    return chatResult(metadata);
  }

  /** One answer of the model, and the results of the tools that it calls. */
  async #round(model: ByokdModel, messages: readonly GivenMessage[], request: vscode.ChatRequest, stream: Stream, signal: AbortSignal): Promise<Round> {
    const { showThinking, showCost } = chatSettings();
    const collector = new RoundCollector(partClasses);
    const view = new ResponseView(partClasses, stream, showThinking);
    const names = new Set(request.toolReferences.map(({ name }) => name));
    const tools = vscode.lm.tools.filter(({ name }) => names.has(name));
    const result = await this.#parts.responder.respond(model.target, messages, { tools, requestInitiator: "byokd.byokd" }, (part) => {
      collector.add(part);
      view.show(part);
    }, signal);
    const calls = await Promise.all(collector.calls.map(async (call) => ({ ...call, result: await this.#call(call, request, signal) })));
    if (result && showCost && calls.length === 0) stream.markdown(words.chat.usageLine(model.name, usageWords(result.usage), costWords(result.cost)));
    return { text: collector.text, calls, marker: collector.marker };
  }

  /** The text of a tool's result; a tool that fails says why, so that the model can do without it. */
  async #call({ name, input }: { name: string; input: object }, request: vscode.ChatRequest, signal: AbortSignal): Promise<string> {
    const source = new vscode.CancellationTokenSource();
    const cancel = () => source.cancel();
    signal.addEventListener("abort", cancel, { once: true });
    try {
      const { content } = await vscode.lm.invokeTool(name, { input, toolInvocationToken: request.toolInvocationToken }, source.token);
      return content.map((part) => (part instanceof vscode.LanguageModelTextPart ? part.value : JSON.stringify(part))).join("\n");
    } catch (error) {
      return words.chat.toolFailed(error instanceof Error ? error.message : String(error));
    } finally {
      signal.removeEventListener("abort", cancel);
      source.dispose();
    }
  }

  #reply(stream: Stream, text: string): vscode.ChatResult {
    stream.markdown(sentence(text));
    return {};
  }

  #failed({ textBesideButton, remedy }: Failure, stream: Stream, metadata: TurnMetadata): vscode.ChatResult {
    if (remedy) stream.button(buttonOf(remedy));
    return chatResult(metadata, { message: textBesideButton });
  }
}

function buttonOf({ title, command, arguments: given }: Remedy): vscode.Command {
  return { title, command, arguments: [...(given ?? [])] };
}
