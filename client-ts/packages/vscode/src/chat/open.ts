/** Opens VS Code's chat with a first question, asked of the model that the person chose on the page. */

import * as vscode from "vscode";

import { VENDOR } from "../models/provider.js";
import type { OpenChat } from "../page/providers.js";

/** `@byokd` answers also where nobody is signed in to a chat service. */
export async function openChat({ provider, model, keyId, prompt }: OpenChat): Promise<void> {
  const ids = [`${provider}/${model}#${keyId}`, `${provider}/${model}`];
  const models = await vscode.lm.selectChatModels({ vendor: VENDOR });
  const chosen = models.find(({ id }) => ids.includes(id));
  const modelSelector = chosen && { vendor: VENDOR, id: chosen.id };
  await vscode.commands.executeCommand("workbench.action.chat.open", { query: `@byokd ${prompt}`, modelSelector });
}
