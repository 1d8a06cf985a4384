/** AI Providers in a webview, with the real relay, daemon and sandbox, in each of VS Code's themes. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Page } from "playwright-core";

import { daemonOf, BAD_KEY, KEY, Sandbox, testingDaemons, testingProgram } from "../testing/sandbox.js";
import { SKIP, Webview } from "../testing/webview.js";

const LIMIT = { timeout: 170_000, skip: SKIP };
const GENERIC = "openai-compatible";

test("a key is added, a bad one refused, and a rejected one updated where the question is answered", LIMIT, async (t) => {
  const [sandbox, [daemon]] = await Promise.all([Sandbox.start(t), testingDaemons(t, 1)]);
  assert.ok(daemon);
  const client = await daemon.client();
  await client.vault.initialize({ protection: "keyFile", acceptRisk: "keyFile" });
  const webview = await Webview.open(t, daemon, { machine: "on the remote machine (ssh-remote)" });
  const { page, providers } = webview;
  providers.show({ view: "addKey", provider: GENERIC });
  await page.getByLabel("Base URL").fill(sandbox.baseUrl);
  await page.getByText("Keys are kept on the remote machine (ssh-remote).").waitFor();
  await page.getByLabel("API key").fill(BAD_KEY);
  await page.keyboard.press("Enter");
  await page.getByText("Nothing was stored.").waitFor();
  assert.equal(await page.getByLabel("API key").inputValue(), "");
  await webview.step("10-key-refused");
  await page.getByLabel("API key").fill(KEY);
  await page.getByLabel("Label").fill("work");
  await page.keyboard.press("Enter");
  await page.getByText("Stored work.").waitFor();
  await page.getByRole("cell", { name: "sandbox-echo" }).first().waitFor();
  await webview.step("11-key-stored");

  daemon.onPrompt((params, signal) => providers.ask(params, signal));
  await sandbox.control(KEY, false);
  for (let chats = 0; chats < 3; chats += 1) {
    const chat = client.chat({ provider: GENERIC, model: "sandbox-echo", messages: [{ role: "user", content: "hello" }] });
    await assert.rejects(chat.result, { kind: "keyInvalid" });
  }
  await page.getByRole("cell", { name: /Disabled: rejected by OpenAI-compatible on/ }).waitFor();
  const question = page.getByRole("alertdialog", { name: "Question" });
  await question.getByText("work").waitFor();
  await webview.step("12-key-rejected");
  await sandbox.control(KEY, true);
  await question.getByRole("button", { name: "Update key" }).click();
  await page.getByLabel("API key").fill(KEY);
  await page.keyboard.press("Enter");
  await page.getByText("Updated work.").waitFor();
  await page.getByRole("cell", { name: "Active" }).waitFor();
  assert.equal(await question.count(), 0);
});

test("the first view, the vault and its recovery code", LIMIT, async (t) => {
  const [daemon] = await testingDaemons(t, 1);
  assert.ok(daemon);
  const webview = await Webview.open(t, daemon);
  const { page } = webview;
  await page.getByRole("heading", { name: "Add your first key" }).waitFor();
  await webview.step("19-first-key");
  await page.getByRole("button", { name: "Vault" }).click();
  await page.getByRole("radio", { name: "Passphrase" }).check();
  await webview.step("20-first-steps");
  await page.getByLabel("New passphrase").fill("four words nobody knows");
  await page.getByLabel("The same again").fill("four words nobody knows");
  await page.getByRole("checkbox", { name: "Also make a recovery code" }).check();
  await acceptRisk(page);
  await page.getByRole("button", { name: "Create the vault" }).click();
  assert.match(await page.locator(".recovery-code").innerText(), /^[A-Z0-9-]{20,}$/);
  await page.getByRole("button", { name: "I have written it down" }).click();
  await page.getByRole("button", { name: "Lock", exact: true }).click();
  await page.getByRole("heading", { name: "Unlock the vault" }).waitFor();
  await webview.step("21-locked");
});

test("a window that is loaded again shows the same view, and a daemon that starts again takes nothing away", LIMIT, async (t) => {
  const [sandbox, [daemon]] = await Promise.all([Sandbox.start(t), testingDaemons(t, 1)]);
  assert.ok(daemon);
  const client = await daemon.client();
  await client.vault.initialize({ protection: "keyFile", acceptRisk: "keyFile" });
  await client.storeKey({ provider: GENERIC, apiKey: KEY, baseUrl: sandbox.baseUrl });
  const { page, faults } = await Webview.open(t, daemon);
  await page.getByRole("option", { name: "Mistral" }).click();
  await page.getByRole("button", { name: "Add a key for Mistral" }).click();
  await page.getByLabel("Label").fill("half typed");
  process.kill((await daemon.client()).pid ?? 0, "SIGKILL");
  await page.getByText("The daemon ended and is started again").waitFor();
  await page.getByText("The daemon ended and is started again").waitFor({ state: "hidden" });
  assert.equal(await page.getByLabel("Label").inputValue(), "half typed");
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "Mistral" }).waitFor();
  assert.deepEqual(faults, []);
});

test("without a daemon there is a way, and the page goes on once there is one", LIMIT, async (t) => {
  const { program, daemons } = await testingProgram(t);
  let installed = false;
  const daemon = daemonOf(() => (installed ? program : undefined));
  daemons.push(daemon);
  const webview = await Webview.open(t, daemon);
  const { page, done } = webview;
  await page.getByRole("heading", { name: "byokd is not running" }).waitFor();
  await webview.step("30-no-daemon");
  await page.getByRole("button", { name: "Install byokd" }).click();
  await page.getByRole("button", { name: "Show the Log" }).click();
  installed = true;
  await daemon.client();
  await page.getByRole("heading", { name: "Add your first key" }).waitFor();
  assert.deepEqual(done, [["run", "byokd.installDaemon"], ["run", "byokd.showLog"]]);
});

async function acceptRisk(page: Page): Promise<void> {
  const risk = page.getByRole("checkbox", { name: "I have read" });
  if ((await risk.count()) > 0) await risk.check();
}
