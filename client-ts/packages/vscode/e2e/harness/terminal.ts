/** A terminal of a fixed size, in which commands run as a person types them, and its picture. */

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

import type { Locator, Page } from "playwright-core";

import { htmlOf } from "../../testing/ansi.js";
import type { Environment } from "./editor.js";

const run = promisify(execFile);
const COMMAND_TIMEOUT_MS = 60_000;
const COLUMNS = 92;
const ROWS = 50;
const PROMPT = "$ ";
/** The last line, after the styles that end before it. */
const WAITING_PROMPT = /\n(?:\u001b\[[\d;]*m)*\$$/;

const STYLE = `
  body { margin: 0; background: #1f1f1f; }
  pre { display: inline-block; margin: 0; padding: 16px 20px; background: #1f1f1f; color: #cccccc; font: 14px/20px "DejaVu Sans Mono", monospace; }
  .bold { color: #ffffff; font-weight: 700; }
  .dim { color: #9d9d9d; }
  .italic { font-style: italic; }
  .underline { text-decoration: underline; }
  .c1, .c9 { color: #f48771; } .c2, .c10 { color: #73c991; } .c3, .c11 { color: #e2c08d; } .c4, .c12 { color: #6cb6ff; } .c5, .c13 { color: #d2a8ff; } .c6, .c14 { color: #76d9e6; }
`;

/** A shell in tmux, with a server of its own that ends with it. */
export class Terminal {
  readonly #socket: string;
  readonly #environment: Environment;

  /** `folder` gets the socket; the commands see `environment` and nothing else. */
  private constructor(folder: string, environment: Environment) {
    this.#socket = join(folder, "terminal");
    this.#environment = environment;
  }

  static async start(folder: string, environment: Environment): Promise<Terminal> {
    const terminal = new Terminal(folder, { ...environment, PS1: PROMPT, PROMPT_COMMAND: "tmux wait-for -S prompt", LANG: "C.UTF-8" });
    const size = ["-x", String(COLUMNS), "-y", String(ROWS)];
    await terminal.#tmux("new-session", "-d", ...size, "-c", folder, "bash", "--noprofile", "--norc");
    await terminal.#prompt();
    return terminal;
  }

  /** Type a command and wait until the prompt is back. */
  async run(command: string): Promise<void> {
    await this.#tmux("send-keys", "-l", command);
    await this.#tmux("send-keys", "Enter");
    await this.#prompt();
  }

  async clear(): Promise<void> {
    await this.run("clear");
  }

  /** Draw what the terminal shows, without the prompt that waits at its end. */
  async draw(page: Page): Promise<Locator> {
    const { stdout } = await this.#tmux("capture-pane", "-e", "-p");
    const text = stdout.trimEnd().replace(WAITING_PROMPT, "").trimEnd();
    await page.setContent(`<!doctype html><meta charset="utf-8"><style>${STYLE}</style><pre>${htmlOf(text)}</pre>`);
    return page.locator("pre");
  }

  async close(): Promise<void> {
    await this.#tmux("kill-server");
  }

  async #prompt(): Promise<void> {
    await this.#tmux("wait-for", "prompt");
  }

  #tmux(...args: string[]): Promise<{ stdout: string }> {
    return run("tmux", ["-u", "-f", "/dev/null", "-S", this.#socket, ...args], { env: this.#environment, timeout: COMMAND_TIMEOUT_MS });
  }
}
