/**
 * Everything around one run: the simulated desktop (providers, keyring), the daemon's program, VS Code and
 * the browser. All of it lies in one temporary folder and ends with the run.
 */

import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium, type Browser, type BrowserContext } from "playwright-core";

import { Editor } from "./editor.js";
import { CHROMIUM, PYTHON, ROOT, VSIX } from "./places.js";
import { Group, untilNoneNames } from "./processes.js";
import { Terminal } from "./terminal.js";
import { Workbench } from "./workbench.js";

/** Keys with the prefix of one provider each, which tells byokd whose they are. */
export const KEYS = {
  anthropic: "sk-ant-api03-sandbox-0123456789abcdefghijklmnopqrstuvwxyz",
  anthropicNext: "sk-ant-api03-sandbox-zyxwvutsrqponmlkjihgfedcba9876543210",
  google: "AIzaSySandbox0123456789abcdefghijklmnopq",
  openai: "sk-proj-sandbox-0123456789abcdefghijklmnopqrstuvwxyz",
  mistral: "SandboxMistral0123456789abcdefgh",
  refused: "sk-ant-api03-refused-0123456789abcdefghijklmnopqrstuvwxyz",
} as const;

const ACCEPTED = ["sk-ant-api03-sandbox-", "AIzaSySandbox", "sk-proj-sandbox-", "SandboxMistral"];

interface Desktop {
  origin: string;
  config: string;
  environment: Record<string, string>;
}

/** A request that a provider received. */
export interface ReceivedRequest {
  provider: string;
  method: string;
  path: string;
  /** The client left before the end of the answer. */
  left: boolean;
  body: { messages?: unknown } | null;
}

export class Session {
  readonly workbenches: Workbench[] = [];

  private constructor(
    readonly folder: string,
    readonly editor: Editor,
    readonly browser: Browser,
    readonly context: BrowserContext,
    readonly desktop: Desktop,
    private readonly desktopProcess: Group,
  ) {}

  static async start(): Promise<Session> {
    const folder = await mkdtemp(join(tmpdir(), "byokd-vscode-"));
    const home = join(folder, "home");
    for (const name of ["home", "bin", "workspace"]) await mkdir(join(folder, name));
    const desktopProcess = Group.start(PYTHON, ["-X", "utf8", join(ROOT, "tests", "simulated_desktop.py"), "--home", home, ...ACCEPTED.flatMap((key) => ["--key", key])], outerEnvironment());
    const [desktop, browser] = await Promise.all([
      desktopProcess.line((line) => JSON.parse(line) as Desktop),
      chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] }),
    ]);
    await writeFile(join(folder, "config.toml"), desktop.config, { mode: 0o600 });
    // VS Code takes the PATH of a login shell.
    await writeFile(join(home, ".profile"), `PATH="${join(folder, "bin")}:/usr/bin:/bin"\n`);
    const environment = { ...outerEnvironment(), ...desktop.environment, SHELL: "/bin/sh" };
    const editor = new Editor(join(folder, "editor"), environment);
    await editor.install(VSIX);
    await editor.start();
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en-GB", permissions: ["clipboard-read", "clipboard-write"] });
    return new Session(folder, editor, browser, context, desktop, desktopProcess);
  }

  /** Put the daemon's program into a folder as `byokd`, such as the one that is on the PATH. */
  async installDaemon(folder = join(this.folder, "bin")): Promise<string> {
    await mkdir(folder, { recursive: true });
    const program = join(folder, "byokd");
    const daemon = `"${PYTHON}" -I -X utf8 -m byokd`;
    const options = `--data-dir "${join(this.folder, "vault")}" --config "${join(this.folder, "config.toml")}"`;
    await writeFile(program, `#!/bin/sh\n[ "$1" = --stdio ] && echo started >> "${program}.starts"\n[ "$1" = --stdio ] && exec ${daemon}.testing ${options} "$@"\nexec ${daemon} ${options} "$@"\n`);
    await chmod(program, 0o755);
    return program;
  }

  /** How often a program of `installDaemon` was started. */
  async startsOf(program: string): Promise<number> {
    return (await readFile(`${program}.starts`, "utf8").catch(() => "")).split("\n").length - 1;
  }

  /** Open a window of VS Code; `folder` is the workspace, if it has one. */
  async window(folder?: string): Promise<Workbench> {
    const workbench = new Workbench(await this.context.newPage(), this.workbenches.length);
    this.workbenches.push(workbench);
    await workbench.open(this.editor.address, folder);
    return workbench;
  }

  /** Open a terminal of the same desktop, where `byokd` is the program on the PATH. */
  terminal(): Promise<Terminal> {
    const environment = { ...outerEnvironment(), ...this.desktop.environment, PATH: `${join(this.folder, "bin")}:/usr/bin:/bin` };
    return Terminal.start(this.folder, environment);
  }

  /**
   * Enable the chat agent that VS Code ships, which is off until somebody signs in to its service.
   *
   * A person does that by the command "Chat: Enable"; it takes a reload, which is saved here. Windows that are
   * opened afterwards have it.
   */
  async enableAgent(): Promise<void> {
    const page = await this.context.newPage();
    await page.goto(new URL("healthz", this.editor.address).href);
    await page.evaluate(enableBuiltInChat);
    await page.close();
  }

  get firstWindow(): Workbench {
    return this.#windowAt(0);
  }

  get secondWindow(): Workbench {
    return this.#windowAt(1);
  }

  #windowAt(index: number): Workbench {
    const workbench = this.workbenches[index];
    if (!workbench) throw new Error("an earlier step opens this window");
    return workbench;
  }

  /** Accept the key at its provider, or reject it from now on. */
  async control(key: string, valid: boolean): Promise<void> {
    const response = await fetch(new URL("/control/keys", this.desktop.origin), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ key, valid }),
    });
    assert.ok(response.ok);
  }

  /** Errors of all windows since the last call. */
  faults(): string[] {
    return this.workbenches.flatMap((workbench) => workbench.faults.splice(0));
  }

  /** Write a picture of every window. */
  async screens(name: string): Promise<void> {
    for (const workbench of this.workbenches) await workbench.screen(name);
  }

  /** What the providers received, the oldest first. */
  async requests(): Promise<ReceivedRequest[]> {
    const lines = await readFile(join(this.folder, "home", "requests.jsonl"), "utf8").catch(() => "");
    return lines.split("\n").filter(Boolean).map((line) => JSON.parse(line) as ReceivedRequest);
  }

  /** End everything; reject if a process of this run is left. */
  async close(): Promise<void> {
    await this.browser.close();
    await this.editor.stop();
    await this.desktopProcess.close();
    await untilNoneNames(this.folder);
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** What every program needs; nothing else of the environment of the tests is passed on. */
function outerEnvironment(): Record<string, string> {
  return Object.fromEntries(["PATH", "LANG", "TMPDIR", "TZ"].flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}

/** Runs in the page: VS Code keeps the list of disabled extensions in the browser's own database. */
async function enableBuiltInChat(): Promise<void> {
  const opened = indexedDB.open("vscode-web-state-db-global");
  const store = "ItemTable";
  opened.onupgradeneeded = () => void opened.result.createObjectStore(store);
  const db = await new Promise<IDBDatabase>((resolve, reject) => {
    opened.onsuccess = () => resolve(opened.result);
    opened.onerror = () => reject(opened.error ?? new Error("the database cannot be opened"));
  });
  const items = db.transaction(store, "readwrite").objectStore(store);
  items.put("true", "builtinChatExtensionEnablementMigration");
  items.put("[]", "extensionsIdentifiers/disabled");
  db.close();
}
