/** A key that its provider takes back, and a daemon that dies. */

import assert from "node:assert/strict";

import { processesNaming } from "../harness/processes.js";
import { KEYS } from "../harness/session.js";
import type { Step } from "./step.js";

const softDisabled: Step = ["a key that was taken back is named, and Update opens its form", async (session) => {
  const window = session.secondWindow;
  await session.control(KEYS.anthropic, false);
  for (const question of ["one", "two", "three"]) {
    await window.newChat();
    await window.ask(`@byokd ${question}`);
    await window.answers.getByText("does not accept this key").waitFor();
  }
  const notice = window.notification(/Anthropic key .*rejected/);
  await notice.waitFor();
  await window.screen("30 key rejected");
  await session.firstWindow.statusItem("Anthropic key").waitFor();
  await notice.getByRole("button", { name: "Update key" }).click();
  await window.panel.locator('input[type="password"]:focus').waitFor();
  await window.screen("31 form of the rejected key");
  await window.page.keyboard.insertText(KEYS.anthropicNext);
  await window.page.keyboard.press("Enter");
  await window.panel.getByText("Updated").first().waitFor();
  await window.screen("32 key updated");
}];

const worksAgain: Step = ["it works again in both windows", async (session) => {
  for (const window of [session.firstWindow, session.secondWindow]) {
    await window.statusItem("1 key").waitFor();
    await window.newChat();
    await window.chooseModel("Claude Haiku 5.5");
    await window.ask("@byokd How far away is the Moon?");
    await window.answers.getByText("384,400 km").waitFor();
  }
}];

const killed: Step = ["a daemon that dies during an answer ends it with an error, and the next one answers", async (session) => {
  const window = session.secondWindow;
  await window.newChat();
  await window.chooseModel("Claude Sonnet 5.5");
  await window.ask("@byokd Count.");
  await window.answers.getByText("word5").waitFor();
  const daemons = await processesNaming(`--data-dir ${session.folder}`);
  assert.ok(daemons.size >= 2); // each window has its own
  for (const id of daemons.keys()) process.kill(id, "SIGKILL");
  await window.answers.getByText(/ended during the answer/).waitFor();
  await window.screen("33 daemon killed");
  await window.newChat();
  await window.chooseModel("Claude Haiku 5.5");
  await window.ask("@byokd How far away is the Moon?");
  await window.answers.getByText("384,400 km").waitFor();
  await window.screen("34 daemon restarted");
}];

export const failureSteps: readonly Step[] = [softDisabled, worksAgain, killed];
