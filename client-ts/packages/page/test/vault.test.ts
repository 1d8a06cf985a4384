/** Locking and unlocking, recovery, and changing the protection. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { PASSPHRASE, Session, SKIP } from "../testing/session.js";

test("a vault is locked and unlocked, and its recovery code is shown once", { skip: SKIP }, async (t) => {
  const session = await Session.start(t);
  const { page } = session;
  await page.getByRole("button", { name: "See all providers" }).click();
  await page.getByRole("button", { name: "Set up", exact: true }).click();
  await page.getByRole("radio", { name: "Passphrase" }).check();
  const [first, second] = [page.getByLabel("New passphrase"), page.getByLabel("The same again")];
  await first.fill(PASSPHRASE);
  await second.fill(`${PASSPHRASE}?`);
  await page.getByRole("button", { name: "Create the vault" }).click();
  await page.getByText("The two passphrases differ").waitFor();
  await first.fill(PASSPHRASE);
  await second.fill(PASSPHRASE);
  await page.getByRole("checkbox", { name: "Also make a recovery code" }).check();
  await page.getByRole("button", { name: "Create the vault" }).click();
  const code = (await page.locator(".recovery-code").textContent()) ?? "";
  assert.ok(code.length > 20);
  await session.step("30-recovery-code");
  await page.getByRole("button", { name: "I have written it down" }).click();
  assert.ok(!(await page.content()).includes(code));

  await page.getByRole("cell", { name: "Recovery code", exact: true }).waitFor();
  await session.step("31-vault");
  await page.getByRole("button", { name: "Lock", exact: true }).click();
  await page.getByRole("form", { name: "Unlock the vault" }).waitFor();
  await page.getByRole("button", { name: "AI Providers" }).click();
  await page.getByText("The vault is locked").waitFor();
  await session.step("32-locked");
  await page.getByRole("button", { name: "Unlock", exact: true }).click();
  await page.getByLabel("Passphrase", { exact: true }).fill("a wrong passphrase");
  await page.getByRole("button", { name: "Unlock", exact: true }).click();
  await page.getByText("passphrase does not open the vault", { exact: false }).first().waitFor();
  await session.step("33-wrong-passphrase");
  await page.getByRole("button", { name: "Use the recovery code" }).click();
  await page.getByLabel("Recovery code", { exact: true }).fill(code.toLowerCase());
  await page.getByRole("button", { name: "Unlock", exact: true }).click();
  await page.getByRole("button", { name: "Lock", exact: true }).waitFor();
  assert.ok(!(await page.content()).includes(code.toLowerCase()));

  await page.getByRole("button", { name: "Change protection" }).click();
  const keyring = page.locator(".choice").filter({ hasText: "OS keyring" });
  await keyring.getByText("Not available here").waitFor();
  assert.ok(await keyring.getByRole("radio").isDisabled());
  assert.equal(await page.getByRole("radio", { name: "Memory only" }).count(), 0);
  await page.getByRole("radio", { name: "Key file" }).check();
  await page.getByRole("checkbox", { name: "I have read" }).check();
  await session.step("34-change-protection");
  await page.getByRole("button", { name: "Change protection" }).last().click();
  await page.getByText("The protection was changed.").waitFor();
  await page.getByRole("cell", { name: "Key file", exact: true }).waitFor();
  await page.getByRole("button", { name: "Renew the keys inside" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Renew the keys inside" }).click();
  const renewed = (await page.locator(".recovery-code").textContent()) ?? "";
  assert.notEqual(renewed, code);
  await session.step("35-renewed");
});

test("a backup is restored after a question", { skip: SKIP }, async (t) => {
  const session = await Session.start(t);
  const { page } = session;
  await session.withVault();
  await session.open("OpenAI-compatible");
  await session.addKey({ label: "work" });
  await page.getByText("Stored work.").waitFor();
  await page.getByRole("button", { name: "Vault" }).click();
  const restore = page.getByRole("button", { name: /^Restore:/ }).first();
  await restore.click();
  await page.keyboard.press("Escape");
  await restore.click();
  await page.getByRole("alertdialog", { name: /^Restore the backup of/ }).waitFor();
  await session.step("36-restore");
  await page.getByRole("button", { name: "Restore this backup" }).click();
  await page.getByText("The backup was restored.").waitFor();
  await page.getByRole("button", { name: "AI Providers" }).click();
  await page.getByRole("option", { name: "OpenAI-compatible" }).getByText("Active").waitFor();
});
