/** Why there is no daemon, in words for people, with the command that mends it. */

import { StartError } from "@byokd/client";

import { words } from "../words.js";
import type { Program } from "./find.js";

/** A command of VS Code, as a button. */
export interface Remedy {
  title: string;
  command: string;
  arguments?: readonly unknown[];
}

export class DaemonUnavailable extends Error {
  override readonly name = "DaemonUnavailable";

  constructor(
    message: string,
    /** The command that mends it. */
    readonly action: Remedy,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export const RESTART: Remedy = { title: words.actions.restart, command: "byokd.restartDaemon" };
const INSTALL: Remedy = { title: words.actions.install, command: "byokd.installDaemon" };
export const UPDATE: Remedy = { title: words.actions.update, command: "byokd.installDaemon" };
export const SHOW_LOG: Remedy = { title: words.actions.showLog, command: "byokd.showLog" };
export const EDIT_CONFIG: Remedy = { title: words.actions.editConfig, command: "byokd.openConfig" };
const CHOOSE: Remedy = {
  title: words.actions.chooseProgram,
  command: "workbench.action.openSettings",
  arguments: ["byokd.executable"],
};

/** What mends it, the best first, and where to see more. */
export function remediesOf({ action }: DaemonUnavailable): readonly Remedy[] {
  const others = [CHOOSE, SHOW_LOG].filter(({ command, title }) => command !== action.command && title !== action.title);
  return [action, ...others];
}

/** No program was found. `executable` is the setting; `message` says where the search looked. */
export function notFound(executable: string | undefined, message: string): DaemonUnavailable {
  return new DaemonUnavailable(message, executable === undefined ? INSTALL : CHOOSE);
}

/** The program was found and is not running; `configFile` is the one that it reads. */
export function notStarted(error: unknown, program: Program, configFile: string): DaemonUnavailable {
  const message = error instanceof Error ? error.message : words.daemon.unknownFailure;
  return new DaemonUnavailable(message, remedyOf(error, program, configFile), { cause: error });
}

function remedyOf(error: unknown, { place }: Program, configFile: string): Remedy {
  if (!(error instanceof StartError)) return SHOW_LOG;
  switch (error.reason) {
    case "notFound":
    case "notStarted":
    case "notByokd":
      return place === "setting" ? CHOOSE : INSTALL;
    case "otherVersion":
      return place === "setting" ? CHOOSE : UPDATE;
    case "exited":
      return error.message.includes(configFile) ? EDIT_CONFIG : SHOW_LOG; // the last line of its log names the file
    case "timeout":
      return SHOW_LOG;
  }
}
