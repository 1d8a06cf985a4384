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

const INSTALL: Remedy = { title: words.actions.install, command: "byokd.installDaemon" };
const UPDATE: Remedy = { title: words.actions.update, command: "byokd.installDaemon" };
const SHOW_LOG: Remedy = { title: words.actions.showLog, command: "byokd.showLog" };
const CHOOSE: Remedy = {
  title: words.actions.chooseProgram,
  command: "workbench.action.openSettings",
  arguments: ["byokd.executable"],
};

/** No program was found. `executable` is the setting, if it names one. */
export function notFound(executable: string | undefined): DaemonUnavailable {
  return executable === undefined
    ? new DaemonUnavailable(words.daemon.notInstalled, INSTALL)
    : new DaemonUnavailable(words.daemon.settingNotFound(executable), CHOOSE);
}

/** The program was found and is not running. */
export function notStarted(error: unknown, program: Program): DaemonUnavailable {
  const message = error instanceof Error ? error.message : words.daemon.unknownFailure;
  return new DaemonUnavailable(message, remedyOf(error, program), { cause: error });
}

function remedyOf(error: unknown, { place }: Program): Remedy {
  if (!(error instanceof StartError)) return SHOW_LOG;
  switch (error.reason) {
    case "notFound":
    case "notStarted":
    case "notByokd":
      return place === "setting" ? CHOOSE : INSTALL;
    case "otherVersion":
      return place === "setting" ? CHOOSE : UPDATE;
    case "exited":
    case "timeout":
      return SHOW_LOG;
  }
}
