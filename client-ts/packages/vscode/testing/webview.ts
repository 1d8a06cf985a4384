/**
 * The page in a webview, in headless Chromium: what VS Code does around it is done here, and the relay,
 * the daemon and the sandbox are real. So the whole way is tested where there is no VS Code.
 *
 * `BYOKD_CHROMIUM` names a browser in another place. With `BYOKD_SCREENS` naming a folder, `step` writes
 * pictures there.
 */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import type { TestContext } from "node:test";

import { chromium, type Page } from "playwright-core";

import type { DaemonService } from "../src/daemon/service.js";
import { pageHtml } from "../src/page/html.js";
import { ProvidersPage } from "../src/page/providers.js";
import { BAD_KEY, KEY, SKIP as NO_PYTHON } from "./sandbox.js";
import { PACKAGE } from "./manifest.js";

const BROWSER = process.env["BYOKD_CHROMIUM"] ?? "/usr/bin/chromium";
const SCREENS = process.env["BYOKD_SCREENS"];
const ORIGIN = "http://127.0.0.1:1"; // nothing is there: each file is answered by the test
const SECRETS = [KEY, BAD_KEY];
const SIZE = { width: 1000, height: 760 };

/** Why these tests cannot run here, or false. */
export const SKIP = NO_PYTHON || (existsSync(BROWSER) ? false : `${BROWSER} is not installed`);

/** VS Code's own themes: the class of the body, and the variables that the page uses. */
type Theme = { kind: string; variables: Record<string, string> };

const require = createRequire(import.meta.url);
const axe = () => readFile(require.resolve("axe-core/axe.min.js"), "utf8");
const themes = async (): Promise<Record<string, Theme>> => JSON.parse(await readFile(`${PACKAGE}testing/themes.json`, "utf8"));
const asset = (name: string) => readFile(`${PACKAGE}../../../server/byokd/ui/assets/${name}`);

export interface WebviewOptions {
  machine?: string;
}

export class Webview {
  private constructor(
    readonly page: Page,
    readonly providers: ProvidersPage,
    /** What the page asked its window for. */
    readonly done: unknown[],
    /** Everything that ran or was blocked where it should not be. */
    readonly faults: string[],
  ) {}

  static async open(t: TestContext, daemon: DaemonService, { machine }: WebviewOptions = {}): Promise<Webview> {
    const browser = await chromium.launch({ executablePath: BROWSER, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
    t.after(() => browser.close());
    const page = await (await browser.newContext({ viewport: SIZE, locale: "en-GB" })).newPage();
    const faults = watched(page);
    const done: unknown[] = [];
    const providers = new ProvidersPage(daemon, { environment: {}, home: "/" }, {
      // As text: the type of a message is too deep for `evaluate`.
      post: (message) => page.evaluate((text) => window.postMessage(JSON.parse(text), "*"), JSON.stringify(message)),
      save: async (name, text) => (done.push(["save", name, text.length]), true),
      openChat: (chat) => done.push(["openChat", chat]),
      run: ({ command }) => done.push(["run", command]),
      machine,
    });
    t.after(() => providers.dispose());
    await page.exposeFunction("sendToHost", (message: unknown) => providers.take(message));
    await page.addInitScript(vscodeApi);
    await page.route(`${ORIGIN}/**`, (route) => answer(route.request().url()).then((response) => route.fulfill(response)));
    await page.goto(`${ORIGIN}/`);
    const webview = new Webview(page, providers, done, faults);
    await webview.theme("dark");
    return webview;
  }

  /** Put on a theme, as VS Code does: variables of the document, a class of the body. */
  async theme(name: string): Promise<void> {
    const { [name]: theme } = await themes();
    assert.ok(theme, name);
    await this.page.evaluate(({ kind, variables }) => {
      document.documentElement.removeAttribute("style");
      for (const [variable, value] of Object.entries(variables)) document.documentElement.style.setProperty(`--vscode-${variable}`, value);
      document.body.className = kind;
    }, theme);
  }

  /** Check one step: nothing ran that should not, no secret is in the document, and axe finds nothing in any theme. */
  async step(name: string): Promise<void> {
    assert.deepEqual(this.faults, []);
    const everywhere = await this.page.evaluate(() => [
      document.documentElement.outerHTML,
      ...[...document.querySelectorAll("input")].map((field) => field.value),
      sessionStorage.getItem("state") ?? "",
    ]);
    for (const secret of SECRETS) assert.ok(!everywhere.some((text) => text.includes(secret)), `${name}: a secret is in the document`);
    await this.page.evaluate(await axe());
    for (const theme of Object.keys(await themes())) {
      await this.theme(theme);
      assert.deepEqual(await this.#violations(), [], `${name}, ${theme}`);
      if (!SCREENS) continue;
      await mkdir(SCREENS, { recursive: true });
      await this.page.screenshot({ path: join(SCREENS, `webview-${name}-${theme}.png`) });
    }
    await this.theme("dark");
  }

  #violations(): Promise<readonly string[]> {
    return this.page.evaluate(async () => {
      const { axe } = globalThis as unknown as { axe: { run(context: unknown): Promise<{ violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] }> } };
      const { violations } = await axe.run(document);
      return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 200)} ${node.failureSummary ?? ""}`));
    });
  }
}

function watched(page: Page): string[] {
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") faults.push(`console: ${message.text()}`);
  });
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return faults;
}

async function answer(url: string): Promise<{ status?: number; contentType?: string; body?: Buffer | string }> {
  const { pathname } = new URL(url);
  if (pathname === "/") {
    const html = pageHtml({ script: `${ORIGIN}/page.js`, style: `${ORIGIN}/page.css`, source: ORIGIN, nonce: "test" });
    return { contentType: "text/html", body: html };
  }
  if (pathname === "/page.js") return { contentType: "text/javascript", body: await asset("page.js") };
  if (pathname === "/page.css") return { contentType: "text/css", body: await asset("page.css") };
  return pathname === "/favicon.ico" ? { status: 204 } : { status: 404 };
}

/** Runs in the page before its script: what VS Code gives a webview. */
function vscodeApi(): void {
  Object.assign(globalThis, {
    acquireVsCodeApi: () => ({
      postMessage: (message: unknown) => void (globalThis as unknown as { sendToHost(message: unknown): void }).sendToHost(message),
      getState: () => JSON.parse(sessionStorage.getItem("state") ?? "null") ?? undefined,
      setState: (state: unknown) => sessionStorage.setItem("state", JSON.stringify(state)),
    }),
  });
}
