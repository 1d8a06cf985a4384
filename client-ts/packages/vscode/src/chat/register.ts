/** Makes what answers chats and registers it: the models of byokd, `@byokd`, and "Ask byokd". */

import * as vscode from "vscode";

import { defaultEffort } from "../config.js";
import type { DaemonService } from "../daemon/service.js";
import type { Remedy } from "../daemon/unavailable.js";
import { TokenCounts } from "../models/counts.js";
import { FailureNotices } from "../models/failure_notices.js";
import { ModelList } from "../models/list.js";
import { ModelProvider, partClasses, VENDOR } from "../models/provider.js";
import { Responder } from "../models/responder.js";
import { Answers } from "../models/states.js";
import { UtilityNotice } from "../models/utility.js";
import { words } from "../words.js";
import { askAboutSelection } from "./ask.js";
import { ModelChoice } from "./choice.js";
import { Participant, PARTICIPANT } from "./participant.js";

export interface ChatParts {
  daemon: DaemonService;
  context: vscode.ExtensionContext;
  log: (line: string) => void;
  /** Called after each answer. */
  onAnswered: () => void;
}

export function registerChat({ daemon, context, log, onAnswered }: ChatParts): vscode.Disposable[] {
  const answers = new Answers();
  const list = new ModelList(daemon, new vscode.ThemeIcon("warning"));
  const responder = new Responder({ daemon, classes: partClasses, answers, effort: defaultEffort, onAnswered, log });
  const provider = new ModelProvider({
    list,
    answers,
    responder,
    counts: new TokenCounts(() => daemon.current),
    failures: new FailureNotices(offer),
    utility: new UtilityNotice(context.globalState, nameUtility),
  });
  const { handle } = new Participant({ list, responder, choice: new ModelChoice(list, context.globalState) });
  const participant = vscode.chat.createChatParticipant(PARTICIPANT, handle);
  participant.iconPath = new vscode.ThemeIcon("key");
  const registration = vscode.lm.registerLanguageModelChatProvider(VENDOR, provider);
  listModels(log);
  return [list, registration, participant, vscode.commands.registerCommand("byokd.ask", askAboutSelection)];
}

/**
 * VS Code asks for no models until somebody wants some: without this its picker stays empty for people who
 * are not signed in to a chat service.
 */
function listModels(log: (line: string) => void): void {
  vscode.lm.selectChatModels({ vendor: VENDOR }).then(undefined, (error: unknown) => log(words.log.warning(String(error))));
}

/** Show what went wrong, with one button that mends it. */
async function offer(text: string, { title, command, arguments: given }: Remedy): Promise<void> {
  const chosen = await vscode.window.showWarningMessage(text, title);
  if (chosen === title) await vscode.commands.executeCommand(command, ...(given ?? []));
}

/** Tell once that VS Code's own small requests are paid with the person's key, and where to change that. */
async function nameUtility(model: string): Promise<void> {
  const { settings, text } = words.utility;
  const chosen = await vscode.window.showInformationMessage(text(model), settings);
  if (chosen === settings) await vscode.commands.executeCommand("workbench.action.openSettings", "@id:chat.byokUtilityModelDefault @id:chat.utilityModel @id:chat.utilitySmallModel");
}
