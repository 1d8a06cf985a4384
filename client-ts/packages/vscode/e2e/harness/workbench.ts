/** One window of VS Code: what a person does in it, and what they see. */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import type { Frame, FrameLocator, Locator, Page } from "playwright-core";

import { SCREENS } from "./places.js";

/** How much a person did. A view is a page, form, list or question that they had to understand. */
export class Effort {
  clicks = 0;
  keys = 0;
  fields = 0;
  readonly views: string[] = [];
  readonly #beganAt = performance.now();

  get seconds(): number {
    return (performance.now() - this.#beganAt) / 1000;
  }

  toString(): string {
    const counts = [`${this.clicks} clicks`, `${this.keys} keys`, `${this.fields} fields`, `${this.views.length} views (${this.views.join(", ")})`];
    return `${counts.join(", ")}, ${this.seconds.toFixed(1)} s`;
  }
}

export class Workbench {
  effort = new Effort();
  /** Errors of the window that VS Code itself does not cause. */
  readonly faults: string[] = [];
  readonly #page: Page;
  readonly #number: number;

  constructor(page: Page, number: number) {
    this.#page = page;
    this.#number = number;
    page.setDefaultTimeout(60_000);
    page.on("pageerror", (error) => this.faults.push(`${error.name}: ${error.message}`));
    page.on("console", (message) => {
      const text = message.text();
      if (message.type() === "error" && /byokd/i.test(`${text} ${message.location().url}`)) this.faults.push(text);
    });
  }

  get page(): Page {
    return this.#page;
  }

  async open(address: string, folder?: string): Promise<void> {
    const url = new URL(address);
    if (folder !== undefined) url.searchParams.set("folder", folder);
    else url.searchParams.set("ew", "true");
    await this.#page.goto(url.href);
    await this.#page.locator(".monaco-workbench .part.statusbar").waitFor();
  }

  // --- what a person does, counted ---

  async click(target: Locator): Promise<void> {
    await target.click();
    this.effort.clicks += 1;
    await this.#page.mouse.move(640, 20); // else the hover of what was clicked covers other things
  }

  /** Press a key that navigates or confirms, such as Enter. */
  async press(key: string): Promise<void> {
    await this.#page.keyboard.press(key);
    this.effort.keys += 1;
  }

  /** Type into whatever has the focus. */
  async type(text: string): Promise<void> {
    await this.#page.keyboard.insertText(text);
    this.effort.fields += 1;
  }

  /** Say that the person now sees something new. Writes a picture. */
  async view(name: string): Promise<void> {
    this.effort.views.push(name);
    await this.screen(name);
  }

  // --- where things are ---

  get statusBar(): Locator {
    return this.#page.locator(".part.statusbar .statusbar-item");
  }

  statusItem(text: string | RegExp): Locator {
    return this.statusBar.filter({ hasText: text });
  }

  get quickInput(): Locator {
    return this.#page.locator(".quick-input-widget");
  }

  get quickField(): Locator {
    return this.quickInput.locator("input").first();
  }

  quickRow(text: string | RegExp): Locator {
    return this.quickInput.locator(".monaco-list-row").filter({ hasText: text });
  }

  notification(text: string | RegExp): Locator {
    return this.#page.locator(".notifications-toasts .notification-list-item").filter({ hasText: text });
  }

  /** The content of the webview panel that is open. */
  get panel(): FrameLocator {
    return this.#page.frameLocator("iframe.webview.ready").frameLocator("iframe#active-frame");
  }

  get dialog(): Locator {
    return this.#page.locator(".monaco-dialog-box");
  }

  get chat(): Locator {
    return this.#page.locator(".interactive-session");
  }

  get chatInput(): Locator {
    return this.chat.locator(".interactive-input-editor .monaco-editor");
  }

  get answers(): Locator {
    return this.chat.locator(".interactive-response");
  }

  /** The button that stops the answer; there while one is written. */
  get stopButton(): Locator {
    return this.chat.locator(".codicon-stop-circle");
  }

  /** The parts of the model picker: the model, and how much it thinks. */
  get modelButton(): Locator {
    return this.chat.locator(".model-picker-name");
  }

  get effortButton(): Locator {
    return this.chat.locator(".model-picker-config");
  }

  /** What the open picker lists. */
  pickerRow(text: string | RegExp): Locator {
    return this.#page.locator(".action-widget .monaco-list-row").filter({ hasText: text });
  }

  // --- steps that several tests take ---

  /** Run a command by the title that the command palette shows. */
  async command(title: string): Promise<void> {
    await this.quickInput.waitFor({ state: "hidden" }); // the list of an earlier command closes first
    await this.#page.keyboard.press("F1");
    await this.quickField.fill(`>${title}`);
    await this.quickRow(title).first().waitFor();
    await this.#page.keyboard.press("Enter");
  }

  /** Choose a model in VS Code's picker. */
  async chooseModel(name: string): Promise<void> {
    await this.modelButton.click();
    await this.pickerRow(/./).first().waitFor();
    if (await this.pickerRow(name).count() === 0) await this.pickerRow("Other Models").click();
    await this.pickerRow(name).first().click();
    await this.closePicker();
  }

  /** Some lists of the picker stay open after a choice. */
  async closePicker(): Promise<void> {
    if (await this.pickerRow(/./).first().isVisible()) await this.#page.keyboard.press("Escape");
    await this.pickerRow(/./).first().waitFor({ state: "hidden" });
  }

  async newChat(): Promise<void> {
    await this.#page.locator('[aria-label^="New Chat"]').first().click();
    await this.answers.first().waitFor({ state: "detached" });
  }

  /** Ask, in place of what is typed already. */
  async ask(prompt: string): Promise<void> {
    await this.chatInput.click();
    await this.#page.keyboard.press("Control+A");
    await this.#page.keyboard.insertText(prompt);
    await this.#page.keyboard.press("Enter");
  }

  /** The frame of the webview panel that is open. */
  async panelFrame(): Promise<Frame> {
    const handle = await this.panel.locator("body").elementHandle();
    const frame = await handle?.ownerFrame();
    if (!frame) throw new Error("no panel is open");
    return frame;
  }

  // --- pictures ---

  async screen(name: string): Promise<void> {
    if (SCREENS === undefined) return;
    await mkdir(SCREENS, { recursive: true });
    await this.#page.screenshot({ path: join(SCREENS, `${name.replaceAll(/\W+/g, "-")}-${this.#number}.png`) });
  }
}
