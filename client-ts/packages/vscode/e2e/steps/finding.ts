/** Where the daemon's program is looked for, and what a person sees where there is none. */

import assert from "node:assert/strict";
import { rename } from "node:fs/promises";
import { join } from "node:path";

import type { Step } from "./step.js";

const setting: Step = ["the program of the setting is used before the one on the PATH", async (session) => {
  const window = session.firstWindow;
  const program = await session.installDaemon(join(session.folder, "elsewhere"));
  await session.editor.machineSettings({ "byokd.executable": program });
  await window.command("byokd: Restart the Daemon");
  await window.notification("The daemon was started again.").first().waitFor();
  await window.statusItem("1 key").waitFor();
  assert.ok((await session.startsOf(program)) >= 1);
}];

const missing: Step = ["where there is no program, it is said, and without a setting the installation is offered", async (session) => {
  const window = session.firstWindow;
  await session.editor.machineSettings({ "byokd.executable": join(session.folder, "nowhere") });
  await window.command("byokd: Open AI Providers");
  await window.panel.getByText("nowhere does not exist. Correct or clear the setting byokd.executable.").waitFor();
  await window.panel.getByRole("button", { name: "Choose the Program" }).waitFor();
  await window.screen("50 setting names no program");

  const program = join(session.folder, "bin", "byokd");
  await rename(program, `${program}.away`);
  await session.editor.machineSettings({});
  await window.panel.getByRole("button", { name: "Install byokd" }).waitFor();
  await window.screen("51 no daemon");
  await window.statusItem("Set up byokd").waitFor();

  await rename(`${program}.away`, program);
  await window.command("byokd: Restart the Daemon");
  await window.statusItem("1 key").waitFor();
}];

export const findingSteps: readonly Step[] = [setting, missing];
