/**
 * Requests of VS Code's chat that are no question of the person: titles and summaries of chats.
 *
 * Seen in VS Code 1.139: they come from the chat itself, without tools and without the number of a turn,
 * as one system and one user message. The agent's own requests have tools and `_telemetryTurn`.
 */

import type { Memento } from "vscode";

import type { ByokdModel } from "./information.js";
import { isOwnChat } from "./responder.js";
import { ROLES, type GivenMessage, type RequestOptions } from "./vscode_parts.js";

const NAMED = "byokd.utilityRequestsNamed";

/** Whether a request looks like one for a title or a summary. */
export function isUtility(messages: readonly GivenMessage[], options: RequestOptions): boolean {
  const hasTools = (options.tools?.length ?? 0) > 0;
  const isTurn = options.modelOptions?.["_telemetryTurn"] !== undefined;
  const roles = messages.map(({ role }) => role);
  return isOwnChat(options) && !hasTools && !isTurn && roles.length === 2 && roles[0] === ROLES.system && roles[1] === ROLES.user;
}

/** Tells the person once, on this machine. */
export class UtilityNotice {
  readonly #memento: Memento;
  readonly #name: (model: string) => void;

  constructor(memento: Memento, name: (model: string) => void) {
    this.#memento = memento;
    this.#name = name;
  }

  seen(model: ByokdModel, messages: readonly GivenMessage[], options: RequestOptions): void {
    if (this.#memento.get(NAMED) || !isUtility(messages, options)) return;
    void this.#memento.update(NAMED, true);
    this.#name(model.name);
  }
}
