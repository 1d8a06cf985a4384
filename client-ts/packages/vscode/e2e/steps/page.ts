/** The page in the themes of VS Code. */

import assert from "node:assert/strict";

import { violations } from "../harness/axe.js";
import type { Step } from "./step.js";

const THEMES = ["Light 2026", "Dark 2026", "Default High Contrast", "Default High Contrast Light"];

const themes: Step = ["the page is readable in light, dark and high contrast themes", async (session) => {
  const window = session.firstWindow;
  await window.command("byokd: Open AI Providers");
  await window.panel.getByRole("option", { name: "Anthropic" }).first().click();
  await window.panel.getByRole("cell", { name: "Claude Opus 5.5" }).first().waitFor();
  for (const theme of THEMES) {
    await session.editor.machineSettings({ "workbench.colorTheme": theme }); // these are watched, unlike those of the browser
    await window.panel.locator(`body[data-vscode-theme-id="${theme}"]`).waitFor();
    await window.screen(`40 page ${theme}`);
    assert.deepEqual(await violations(await window.panelFrame()), [], theme);
  }
}];

export const pageSteps: readonly Step[] = [themes];
