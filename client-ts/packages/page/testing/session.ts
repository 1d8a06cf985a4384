/**
 * A session of the page in a real browser: the sandbox, the daemon, `byokd ui` and headless Chromium.
 *
 * `BYOKD_PYTHON` names the Python that has byokd, `BYOKD_CHROMIUM` a browser in another place.
 * With `BYOKD_SCREENS` naming a folder, `step` writes pictures there.
 */

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";

import { chromium, type Browser, type Page } from "playwright-core";

export const KEY = "sandbox-key-0123456789abcdef";
export const BAD_KEY = "sandbox-bad-0123456789abcdef";
export const PASSPHRASE = "four words nobody knows";
const SECRETS = [KEY, BAD_KEY, PASSPHRASE];

const PYTHON = process.env["BYOKD_PYTHON"] ?? "";
const BROWSER = process.env["BYOKD_CHROMIUM"] ?? "/usr/bin/chromium";
const SCREENS = process.env["BYOKD_SCREENS"];

/** Why these tests cannot run here, or false. */
export const SKIP = PYTHON === "" ? "BYOKD_PYTHON is not set" : existsSync(BROWSER) ? false : `${BROWSER} is not installed`;

/** A theme of the page, as the operating system asks for it. */
export const THEMES = {
  light: { colorScheme: "light", contrast: "no-preference" },
  dark: { colorScheme: "dark", contrast: "no-preference" },
  "high-contrast": { colorScheme: "dark", contrast: "more" },
  "high-contrast-light": { colorScheme: "light", contrast: "more" },
} as const;

const WIDTHS = { wide: { width: 1280, height: 800 }, narrow: { width: 600, height: 800 } } as const;

const AXE = readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Axe {
  run(context: unknown, options: object): Promise<{ violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] }>;
}

interface Ready {
  child: ChildProcess;
  line: Record<string, string>;
}

export interface SessionOptions {
  environment?: Record<string, string>;
  /** Beginnings of keys; the page has a provider "Sandbox Vendor" with them, at the sandbox. */
  keyPrefixes?: readonly string[];
  /** Runs before the page's own code. */
  initScript?: () => void;
}

export class Session {
  private constructor(
    readonly sandboxUrl: string,
    readonly address: string,
    readonly page: Page,
    readonly browser: Browser,
    readonly dataDir: string,
    /** Everything that ran or was blocked where it should not be. */
    readonly faults: string[],
  ) {}

  static async start(t: TestContext, { environment = {}, keyPrefixes, initScript }: SessionOptions = {}): Promise<Session> {
    const dataDir = await mkdtemp(join(tmpdir(), "byokd-page-"));
    const sandbox = await started(t, "byokd.sandbox", ["--port", "0", "--key", KEY], {});
    const config = keyPrefixes ? ["--config", await withVendor(dataDir, sandbox.line["baseUrl"] ?? "", keyPrefixes)] : [];
    const [ui, browser] = await Promise.all([
      started(t, "byokd.testing.ui", ["--data-dir", dataDir, ...config], environment),
      chromium.launch({ executablePath: BROWSER, args: ["--no-sandbox", "--disable-dev-shm-usage"] }),
    ]);
    t.after(async () => {
      await browser.close();
      for (const { child } of [ui, sandbox]) await ended(child);
      await rm(dataDir, { recursive: true });
    });
    const page = await (await browser.newContext({ viewport: WIDTHS.wide, locale: "en-GB", acceptDownloads: true })).newPage();
    const faults: string[] = [];
    page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error") faults.push(`console: ${message.text()}`);
    });
    page.on("dialog", (dialog) => {
      faults.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    if (initScript) await page.addInitScript(initScript);
    const address = ui.line["address"] ?? "";
    await page.goto(address);
    return new Session(sandbox.line["baseUrl"] ?? "", address, page, browser, dataDir, faults);
  }

  /**
   * Check one step of the page: nothing ran that should not, no secret is anywhere in the document, and
   * axe finds nothing in any theme. Writes the pictures, too. `typed` are secrets that stand in a field.
   */
  async step(name: string, typed: readonly string[] = []): Promise<void> {
    assert.deepEqual(this.faults, []);
    await this.#checkSecrets(name, typed);
    await this.page.evaluate(await AXE);
    for (const [theme, media] of Object.entries(THEMES)) {
      await this.page.emulateMedia(media);
      const violations = await this.#axe(theme === "light" ? undefined : ["color-contrast"]);
      assert.deepEqual(violations, [], `${name}, ${theme}`);
      await this.#pictures(`${name}-${theme}`);
    }
    await this.page.emulateMedia(THEMES.light);
  }

  async #axe(rules: readonly string[] | undefined): Promise<readonly string[]> {
    return this.page.evaluate(async (only) => {
      const { axe } = globalThis as unknown as { axe: Axe };
      const result = await axe.run(document, only ? { runOnly: { type: "rule", values: only } } : {});
      return result.violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 200)} ${node.failureSummary ?? ""}`));
    }, rules);
  }

  async #checkSecrets(name: string, typed: readonly string[]): Promise<void> {
    const everywhere = await this.page.evaluate(() => [
      document.documentElement.outerHTML,
      ...[...document.querySelectorAll("input, textarea, select")].map((field) => (field as HTMLInputElement).value),
      JSON.stringify({ ...sessionStorage, ...localStorage }),
      document.cookie,
      document.title,
      location.href,
    ]);
    for (const secret of SECRETS.filter((other) => !typed.includes(other))) {
      assert.ok(!everywhere.some((text) => text.includes(secret)), `${name}: a secret is in the document`);
    }
  }

  async #pictures(name: string): Promise<void> {
    if (!SCREENS) return;
    await mkdir(SCREENS, { recursive: true });
    for (const [width, size] of Object.entries(WIDTHS)) {
      await this.page.setViewportSize(size);
      await this.page.screenshot({ path: join(SCREENS, `${name}-${width}.png`) });
    }
    await this.page.setViewportSize(WIDTHS.wide);
  }

  /** Create a vault under a key file, and go to the providers. */
  async withVault(): Promise<void> {
    const { page } = this;
    await page.getByRole("button", { name: "See all providers" }).click();
    await page.getByRole("button", { name: "Set up", exact: true }).click();
    await page.getByRole("radio", { name: "Key file" }).check();
    await page.getByRole("checkbox", { name: "I have read" }).check();
    await page.getByRole("button", { name: "Create the vault" }).click();
    await page.getByRole("button", { name: "Lock", exact: true }).waitFor();
    await page.getByRole("button", { name: "AI Providers" }).click();
    await page.getByRole("listbox", { name: "Providers" }).waitFor();
  }

  /** Accept the key in the sandbox, or reject it from now on. */
  async control(key: string, valid: boolean): Promise<void> {
    const response = await fetch(new URL("/control/keys", this.sandboxUrl), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ key, valid }),
    });
    assert.ok(response.ok);
  }

  async open(provider: string): Promise<void> {
    await this.page.getByRole("option", { name: provider }).first().click();
    await this.page.getByRole("heading", { level: 1 }).waitFor();
  }

  /** Fill in the form of the generic provider and save. */
  async addKey({ key = KEY, label = "", baseUrl = this.sandboxUrl }: { key?: string; label?: string; baseUrl?: string } = {}): Promise<void> {
    const { page } = this;
    await page.getByRole("button", { name: /^Add (a )?key/ }).click();
    await page.getByLabel("Base URL").fill(baseUrl);
    await page.getByLabel("API key").fill(key);
    await page.getByRole("textbox", { name: "Label" }).fill(label);
    await page.getByRole("button", { name: "Save" }).click();
  }
}

/** Write a configuration with a provider of the person's own at the sandbox; return its path. */
async function withVendor(folder: string, sandboxUrl: string, keyPrefixes: readonly string[]): Promise<string> {
  const records = join(folder, "config", "providers");
  await mkdir(records, { recursive: true, mode: 0o700 });
  const config = join(folder, "config", "config.toml");
  const prefixes = keyPrefixes.map((text) => `{ text = "${text}", source = "this test" }`).join(", ");
  const record = `
id = "sandbox-vendor"
name = "Sandbox Vendor"
kind = "custom"
dialect = "openai_chat"
base_url = "${sandboxUrl}"
tool_calling = "native"
pricing = "unknown"
key_prefixes = [${prefixes}]

[[fields]]
name = "apiKey"
label = "API key"

[probe]
path = "/models"
models_pointer = "/data"

[models]
path = "/models"

[[sources]]
url = "https://vendor.example/docs"
checked = "2026-11-29"
`;
  await writeFile(config, "", { mode: 0o600 });
  await writeFile(join(records, "sandbox-vendor.toml"), record, { mode: 0o600 });
  return config;
}

async function started(t: TestContext, module: string, args: string[], environment: Record<string, string>): Promise<Ready> {
  const child = spawn(PYTHON, ["-I", "-X", "utf8", "-m", module, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...environment },
  });
  t.after(() => void child.stdin.end());
  for await (const line of createInterface(child.stdout)) return { child, line: JSON.parse(line) as Record<string, string> };
  throw new Error(`${module} ended before it was ready`);
}

function ended(child: ChildProcess): Promise<void> {
  child.stdin?.end();
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => child.once("close", () => resolve()));
}
