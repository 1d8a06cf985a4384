/** A second window with a folder whose own settings try to take over, and VS Code's agent in it. */

import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { ROOT } from "../harness/places.js";
import type { Session } from "../harness/session.js";
import type { Step } from "./step.js";

const STOP_MAX_MS = 30_000; // one second on a machine with nothing else to do

interface Manifest {
  capabilities: { untrustedWorkspaces: { restrictedConfigurations: string[] } };
}

/** A workspace that sets each restricted setting to a program, or to what would lead to other keys. */
async function hostileWorkspace(session: Session): Promise<{ folder: string; program: string }> {
  const folder = join(session.folder, "workspace");
  const program = await session.installDaemon(join(folder, "tools"));
  const manifest = JSON.parse(await readFile(join(ROOT, "client-ts", "packages", "vscode", "package.json"), "utf8")) as Manifest;
  const names = manifest.capabilities.untrustedWorkspaces.restrictedConfigurations;
  assert.ok(names.length >= 3);
  const settings = Object.fromEntries(names.map((name) => [name, name === "byokd.account" ? "theirs" : program]));
  await mkdir(join(folder, ".vscode"), { recursive: true });
  await writeFile(join(folder, ".vscode", "settings.json"), JSON.stringify(settings));
  await writeFile(join(folder, "notes.txt"), "The Moon is far away.\n");
  return { folder, program };
}

let program = "";

const untrusted: Step = ["a folder that is not trusted changes nothing, and another window has the key at once", async (session) => {
  const hostile = await hostileWorkspace(session);
  program = hostile.program;
  await session.enableAgent();
  const window = await session.window(hostile.folder);
  await window.statusItem("Restricted Mode").waitFor();
  await window.statusItem("1 key").waitFor();
  await window.screen("20 untrusted folder");
  assert.equal(await session.startsOf(program), 0);
}];

const trusted: Step = ["a trusted folder changes nothing either", async (session) => {
  const window = session.secondWindow;
  await window.chat.getByLabel(/^Models/).first().click(); // VS Code has no models for a folder that is not trusted
  await window.pickerRow("Trust Workspace").click();
  await window.dialog.getByRole("button", { name: "Trust Folder" }).click();
  await window.statusItem("Restricted Mode").waitFor({ state: "detached" });
  await window.command("byokd: Restart the Daemon");
  await window.statusItem("1 key").waitFor();
  await window.modelButton.waitFor();
  await window.screen("21 trusted folder");
  assert.equal(await session.startsOf(program), 0);
}];

const loop: Step = ["an agent calls a tool three times, and its thoughts are kept", async (session) => {
  const window = session.secondWindow;
  await window.chooseModel("Claude Opus 5.5");
  await window.effortButton.click();
  await window.pickerRow(/^High/).click();
  await window.closePicker();
  await window.ask(`list_dir({"path": "${join(session.folder, "workspace")}"})`);
  await window.answers.getByText("The tool says").waitFor();
  await window.screen("22 agent");
  const conversations = (await session.requests()).filter(({ body }) => JSON.stringify(body).includes("tool_use"));
  const thoughts = conversations.map(({ body }) => JSON.stringify(body?.messages).split('"type":"thinking"').length - 1);
  assert.deepEqual(thoughts, [1, 2, 3]);
}];

const image: Step = ["an image is sent with a question", async (session) => {
  const window = session.secondWindow;
  await window.newChat();
  await window.chooseModel("Claude Haiku 5.5");
  await window.chatInput.click();
  await window.chatInput.locator(".native-edit-context").evaluate(pasteImage);
  await window.chat.getByText("Pasted Image").waitFor();
  await window.ask("What is on this picture?");
  await window.answers.getByText("384,400 km").waitFor();
  await window.screen("23 image");
  const { body } = (await session.requests()).filter((request) => request.body?.messages).at(-1) ?? {};
  assert.match(JSON.stringify(body), /"type":"image","source":\{"type":"base64","media_type":"image\/png"/);
}];

const stop: Step = ["stop ends the answer, also at the provider", async (session) => {
  const window = session.secondWindow;
  await window.newChat();
  await window.chooseModel("Claude Sonnet 5.5");
  await window.ask("Count.");
  await window.answers.getByText("word5").waitFor();
  const beganAt = performance.now();
  await window.stopButton.click();
  const left = async () => (await session.requests()).some((request) => request.left);
  while (!(await left())) {
    assert.ok(performance.now() - beganAt < STOP_MAX_MS, "the request goes on at the provider");
    await window.page.waitForTimeout(20);
  }
  console.log(`figures: stop in VS Code reached the provider after ${Math.round(performance.now() - beganAt)} ms`);
  await window.stopButton.waitFor({ state: "hidden" });
  await window.screen("24 stopped");
}];

export const agentSteps: readonly Step[] = [untrusted, trusted, loop, image, stop];

/** Runs in the page: paste a small picture. */
async function pasteImage(input: Element): Promise<void> {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 8;
  canvas.getContext("2d")?.fillRect(0, 0, 8, 8);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([blob ?? ""], "square.png", { type: "image/png" }));
  input.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}
