/** Which model answers `@byokd`: the one chosen in VS Code's picker, else a remembered choice. */

import * as vscode from "vscode";

import type { ByokdModel } from "../models/information.js";
import type { ModelList } from "../models/list.js";
import { VENDOR } from "../models/provider.js";
import { words } from "../words.js";

const REMEMBERED = "byokd.chat.model";

export class ModelChoice {
  readonly #list: ModelList;
  readonly #memento: vscode.Memento;

  constructor(list: ModelList, memento: vscode.Memento) {
    this.#list = list;
    this.#memento = memento;
  }

  /** The model for a request; asks if there is none yet. Undefined if the person chose none. */
  async of(request: vscode.ChatRequest, models: readonly ByokdModel[]): Promise<ByokdModel | undefined> {
    const picked = request.model?.vendor === VENDOR ? this.#list.get(request.model.id) : undefined;
    if (picked) return picked;
    const remembered = this.#memento.get<string>(REMEMBERED);
    const known = models.find(({ id, statusIcon }) => id === remembered && !statusIcon);
    if (known) return known;
    return models.length === 1 ? models[0] : this.ask(models);
  }

  /** Let the person choose, and remember it. */
  async ask(models: readonly ByokdModel[]): Promise<ByokdModel | undefined> {
    const items = models.map((model) => ({ label: model.name, description: model.detail ?? "", detail: model.version, model }));
    const chosen = await vscode.window.showQuickPick(items, { title: words.chat.chooseModel, matchOnDescription: true, matchOnDetail: true });
    if (chosen) await this.#memento.update(REMEMBERED, chosen.model.id);
    return chosen?.model;
  }
}
