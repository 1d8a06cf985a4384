/**
 * The pictures of the README, made from the real thing: `BYOKD_PICTURES=1 npm run e2e` writes them to `pictures`.
 *
 * ImageMagick's `convert` reduces them to a palette; `tmux` is the terminal.
 */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

import type { Locator } from "playwright-core";

import { ROOT, SKIP } from "./harness/places.js";
import { KEYS, Session } from "./harness/session.js";
import type { Workbench } from "./harness/workbench.js";

const FOLDER = join(ROOT, "client-ts", "packages", "vscode", "pictures");
const MAX_BYTES = 60_000;
/** By how many pixels the list of models reaches out of the chat. */
const LIST_WIDER = 220;
const COMMANDS = ["byokd models anthropic", 'byokd chat anthropic claude-haiku-5-5 "How far away is the Moon?"', "byokd audit verify"];
const WANTED = process.env["BYOKD_PICTURES"] === "1";

const run = promisify(execFile);

test("the pictures of the README", { skip: SKIP || (WANTED ? false : "BYOKD_PICTURES is not set"), timeout: 600_000 }, async () => {
  await mkdir(FOLDER, { recursive: true });
  const session = await Session.start();
  try {
    await session.installDaemon();
    await session.editor.userSettings({ "workbench.colorTheme": "Dark 2026", "workbench.startupEditor": "none" });
    const window = await session.window();
    await window.statusItem("Add AI key").click();
    await addKeys(window);
    await pictures(window);
    await terminalPicture(session);
  } finally {
    await session.close();
  }
});

async function addKeys(window: Workbench): Promise<void> {
  await window.panel.getByLabel("API key").fill(KEYS.anthropic);
  await window.panel.getByRole("button", { name: "Save" }).click();
  await window.panel.getByRole("button", { name: "Go to the providers" }).click();
  const others = [["OpenAI", KEYS.openai, ""], ["Google Gemini", KEYS.google, ""], ["Mistral", KEYS.mistral, "work"]] as const;
  for (const [name, key, label] of others) {
    await window.panel.getByRole("option", { name }).first().click();
    await window.panel.getByRole("button", { name: `Add a key for ${name}` }).click();
    await window.panel.getByLabel("API key").fill(key);
    await window.panel.getByLabel("Label").fill(label);
    await window.panel.getByRole("button", { name: "Save" }).click();
    await window.panel.getByText("Stored ").first().waitFor();
  }
}

async function pictures(window: Workbench): Promise<void> {
  const { page } = window;
  await window.panel.getByRole("option", { name: "Anthropic" }).first().click();
  await window.panel.getByRole("cell", { name: "Claude Opus 5.5" }).first().waitFor();
  await page.setViewportSize({ width: 1440, height: 860 });
  await page.mouse.move(700, 20);
  await save("providers", page.locator(".part.editor"));

  await window.ask("@byokd How far away is the Moon?");
  await window.answers.getByText("384,400 km").waitFor();
  await window.modelButton.click();
  await window.pickerRow("Other Models").click();
  await window.pickerRow("Claude Opus 5.5").waitFor();
  const box = await page.locator(".part.auxiliarybar").boundingBox();
  assert.ok(box);
  await save("model-picker", page, { ...box, x: box.x - LIST_WIDER, width: box.width + LIST_WIDER });
}

async function terminalPicture(session: Session): Promise<void> {
  const terminal = await session.terminal();
  try {
    await terminal.clear();
    for (const command of COMMANDS) await terminal.run(command);
    await save("terminal", await terminal.draw(await session.context.newPage()));
  } finally {
    await terminal.close();
  }
}

async function save(name: string, target: Locator | Workbench["page"], clip?: { x: number; y: number; width: number; height: number }): Promise<void> {
  const path = join(FOLDER, `${name}.png`);
  await target.screenshot({ path, ...(clip && { clip }) });
  await run("convert", [path, "+dither", "-colors", "128", "-strip", `png8:${path}`]);
  assert.ok((await stat(path)).size <= MAX_BYTES, `${name} is too large`);
}
