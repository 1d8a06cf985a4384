/** From nothing to the first answer, counted; and what becomes of a key that is wrong. */

import assert from "node:assert/strict";

import { KEYS } from "../harness/session.js";
import { Effort } from "../harness/workbench.js";
import type { Step } from "./step.js";

/** VS Code 1.139.1 needs 3 clicks, 13 keys, 6 fields and 10 views for an endpoint of one's own, and 28 s of a script. */
const MOST = { clicks: 3, keys: 4, fields: 2, views: 4 } as const;

const ANSWER = "384,400 km";

const firstAnswer: Step = ["a first key leads to an answer in a few steps", async (session) => {
  await session.installDaemon();
  const window = await session.window();
  const entry = window.statusItem("Add AI key");
  await entry.waitFor(); // the entry is there, whatever the person knows of commands
  window.effort = new Effort();
  await window.view("10 status bar");

  await window.click(entry);
  await window.panel.locator('input[type="password"]:focus').waitFor();
  await window.view("11 form of the key");
  await window.type(KEYS.anthropic);
  await window.panel.getByText("It begins like a key of Anthropic.").waitFor();
  await window.screen("12 key pasted");
  await window.press("Enter");

  await window.panel.getByRole("heading", { name: "Your key is stored" }).waitFor();
  await window.panel.getByLabel("Your question").and(window.panel.locator(":focus")).waitFor();
  await window.view("13 key stored");
  await window.type("How far away is the Moon?");
  await window.press("Enter");
  await window.answers.getByText(ANSWER).waitFor();
  const { effort } = window;
  await window.view("14 the answer");
  console.log(`figures: first key to first answer in VS Code: ${effort}`);

  assert.ok(effort.clicks <= MOST.clicks && effort.keys <= MOST.keys && effort.fields <= MOST.fields, String(effort));
  assert.ok(effort.views.length <= MOST.views, String(effort));
  await window.statusItem("1 key").waitFor();
}];

const refusedKey: Step = ["a key that its provider refuses is not stored, and the form says what to do", async (session) => {
  const window = session.firstWindow;
  await window.panel.getByRole("button", { name: "Add key" }).click();
  await window.panel.getByLabel("API key").fill(KEYS.refused);
  await window.panel.getByRole("button", { name: "Save" }).click();
  await window.panel.getByText("Nothing was stored.").waitFor();
  await window.panel.locator('input[type="password"]:focus').waitFor();
  await window.screen("15 key refused");
  assert.equal(await window.panel.getByLabel("API key").inputValue(), "");
  await window.panel.getByRole("button", { name: "Cancel" }).click();
  assert.equal(await window.statusItem("1 key").count(), 1);
}];

const picker: Step = ["the models stand in VS Code's own picker, with price and context", async (session) => {
  const window = session.firstWindow;
  await window.modelButton.click();
  await window.pickerRow("Other Models").click();
  await window.pickerRow("Claude Opus 5.5").hover();
  await window.page.getByText("200K").first().waitFor();
  await window.screen("16 model picker");
  assert.match(await window.pickerRow("Claude Opus 5.5").innerText(), /Anthropic · \$[\d.]+ \/ \$[\d.]+/);
  assert.match(await window.pickerRow("Claude Sonnet 4.5").innerText(), /ends 30 Nov/);
  await window.page.keyboard.press("Escape");
}];

export const firstKeySteps: readonly Step[] = [firstAnswer, refusedKey, picker];
