/** Installs the daemon from the extension's package after the person has read what that does, and uninstalls it. */

import { homedir } from "node:os";
import { join } from "node:path";

import * as vscode from "vscode";

import { pythonSetting } from "../config.js";
import { InstallFailed, LOCK, runInstaller, type InstallerLine, type InstallerOptions } from "../daemon/installer.js";
import { programFolder } from "../daemon/places.js";
import { findPython, type Python } from "../daemon/python.js";
import { register, warn } from "../messages.js";
import type { DaemonService } from "../daemon/service.js";
import { SHOW_LOG } from "../daemon/unavailable.js";
import { words } from "../words.js";

/** Where the extension's package has the wheel and the lock. */
const PACKAGES = ["dist", "daemon"] as const;

export interface InstallPlaces {
  /** The folder of the extension. */
  extension: string;
  /** A folder of wheels to install from, instead of the package index. Only tests set it. */
  findLinks: string | undefined;
}

/** Makes, updates and removes the daemon's private environment. */
export class Installation {
  readonly #packages: string;
  readonly #findLinks: string | undefined;
  readonly #log: vscode.OutputChannel;
  #running: Promise<boolean> | undefined;

  constructor({ extension, findLinks }: InstallPlaces, log: vscode.OutputChannel) {
    this.#packages = join(extension, ...PACKAGES);
    this.#findLinks = findLinks;
    this.#log = log;
  }

  /** Tell what is done, ask, and install; resolves with whether it is installed now. Shows its errors. */
  offer(): Promise<boolean> {
    this.#running ??= this.#offer().finally(() => (this.#running = undefined));
    return this.#running;
  }

  async #offer(): Promise<boolean> {
    const python = await this.#python();
    if (!python || !(await this.#consents(python))) return false;
    return this.#run("install", python, words.install.installing);
  }

  /** Ask, end the daemon of this window, and remove the environment; the keys stay. */
  async uninstall(daemon: DaemonService): Promise<void> {
    const { title, detail, button } = words.install.uninstall;
    const choice = await vscode.window.showWarningMessage(title, { modal: true, detail }, button);
    const python = choice === undefined ? undefined : await this.#python();
    if (!python) return;
    await daemon.stop();
    if (await this.#run("uninstall", python, words.install.uninstalling)) void vscode.window.showInformationMessage(words.install.uninstalled);
  }

  async #python(): Promise<Python | undefined> {
    const options = { location: vscode.ProgressLocation.Window, title: words.install.lookingForPython };
    const search = await vscode.window.withProgress(options, () => findPython(pythonSetting()));
    if ("python" in search) return search.python;
    await warn(search.message, [CHOOSE_PYTHON]);
    return undefined;
  }

  async #consents(python: Python): Promise<boolean> {
    const { title, detail, install, showPackages } = words.install.consent;
    const options = { modal: true, detail: detail(tilde(programFolder()), tilde(python.path), python.version) };
    const choice = await vscode.window.showInformationMessage(title, options, install, showPackages);
    if (choice === showPackages) await vscode.window.showTextDocument(vscode.Uri.file(join(this.#packages, LOCK)), { preview: true });
    return choice === install;
  }

  /** Run the installer with a notification that can cancel it; resolves with whether it ended well. */
  async #run(command: InstallerOptions["command"], python: Python, title: string): Promise<boolean> {
    const options = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
    try {
      await vscode.window.withProgress(options, async (progress, token) => {
        const abort = new AbortController();
        token.onCancellationRequested(() => abort.abort(new vscode.CancellationError()));
        await runInstaller({
          command,
          python: python.path,
          packages: this.#packages,
          findLinks: this.#findLinks,
          onLine: shown(progress, this.#log),
          onOutput: (text) => this.#log.append(text),
          signal: abort.signal,
        });
      });
      return true;
    } catch (error) {
      if (error instanceof vscode.CancellationError) void vscode.window.showInformationMessage(words.install.cancelled);
      else if (error instanceof InstallFailed) await warn(`${error.message}: ${error.hint}`, [SHOW_LOG]);
      else throw error;
      return false;
    }
  }
}

export function installCommands(daemon: DaemonService, installation: Installation): vscode.Disposable[] {
  return [
    register("byokd.installDaemon", () => install(daemon, installation)),
    register("byokd.uninstallDaemon", () => installation.uninstall(daemon)),
  ];
}

/** Install, start the new daemon, and say what is next. */
async function install(daemon: DaemonService, installation: Installation): Promise<void> {
  if (!(await installation.offer())) return;
  await daemon.restart();
  const { text, addKey } = words.install.installed;
  const choice = await vscode.window.showInformationMessage(text, addKey);
  if (choice !== undefined) await vscode.commands.executeCommand("byokd.addKey");
}

const CHOOSE_PYTHON = { title: words.actions.choosePython, command: "workbench.action.openSettings", arguments: ["byokd.python"] };

/** Show each line: the steps in the notification, everything in the log. */
function shown(progress: vscode.Progress<{ message?: string; increment?: number }>, log: vscode.OutputChannel): (line: InstallerLine) => void {
  let done = 0;
  return (line) => {
    if (line.type === "packages") {
      progress.report({ message: words.install.packages(line.done, line.total), increment: (100 * (line.done - done)) / line.total });
      done = line.done;
      return;
    }
    log.appendLine(line.message);
    if (line.type === "step") progress.report({ message: tilde(line.message) });
  };
}

const tilde = (text: string): string => text.replaceAll(homedir(), "~");
