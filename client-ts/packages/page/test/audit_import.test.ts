/** The audit log and the import of keys. */

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { Client } from "@byokd/client";

import { KEY, PASSPHRASE, Session, SKIP } from "../testing/session.js";

test("the log is shown by day, filtered, verified and exported", { skip: SKIP }, async (t) => {
  const session = await Session.start(t);
  const { page } = session;
  await page.getByRole("heading", { name: "Add your first key" }).waitFor();
  await session.withVault();
  await session.open("OpenAI-compatible");
  await session.addKey({ label: "work" });
  await page.getByText("Stored work.").waitFor();
  await page.getByRole("button", { name: "Vault" }).click();
  await page.getByRole("button", { name: "Lock", exact: true }).click();
  await page.getByRole("button", { name: "Unlock", exact: true }).click();
  await page.getByRole("button", { name: "Lock", exact: true }).waitFor();
  await page.getByRole("button", { name: "Audit log" }).click();
  await page.getByRole("region", { name: "Today" }).getByText("OpenAI-compatible key work was stored").waitFor();
  await page.getByText("The vault was created, protected by key file").waitFor();
  assert.equal(await page.getByText("The vault was locked").count(), 0);
  await page.getByRole("checkbox", { name: "Show sessions" }).check();
  await page.getByText("The vault was locked").first().waitFor();
  await page.getByRole("checkbox", { name: "Show sessions" }).uncheck();
  await page.getByRole("button", { name: "Verify" }).click();
  await page.getByText("Complete and unchanged").waitFor();
  await page.getByText("OpenAI-compatible key work was stored").click();
  await session.step("40-audit");

  await page.getByLabel("Event").selectOption("Vault");
  assert.equal(await page.getByText("was stored").count(), 0);
  await page.getByLabel("Event").selectOption("Catalog and other");
  await page.getByText("No entry matches the filter.").waitFor();
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Export" }).click()]);
  await page.getByText(/^Exported \d+ entries\.$/).waitFor();
  const lines = (await readFile(await download.path(), "utf8")).trim().split("\n");
  assert.equal(JSON.parse(lines[0] ?? "").form, "byokd-audit/1");
  assert.ok(lines.length > 4);
  assert.ok(JSON.parse(lines.at(-1) ?? "").text.startsWith("byokd/"));
});

test("keys are imported from a file after a preview", { skip: SKIP }, async (t) => {
  const session = await Session.start(t, { environment: { LITELLM_API_KEY: KEY, MISTRAL_API_KEY: "" } });
  const { page } = session;
  await session.withVault();
  await page.getByRole("button", { name: "Import keys" }).first().click();
  await page.getByRole("button", { name: "Look" }).click();
  await page.getByRole("cell", { name: "LITELLM_API_KEY" }).waitFor();

  const file = join(session.dataDir, "project.env");
  await writeFile(file, `LITELLM_API_KEY=${KEY}\nMISTRAL_API_KEY=$(cat key)\nLITELLM_BASE_URL=https://gateway.example\n`);
  await page.getByRole("radio", { name: "A .env file" }).check();
  await page.getByLabel("Path of the file").fill(file);
  await page.getByRole("button", { name: "Look" }).click();
  await page.getByText("Line 2:").waitFor();
  await session.step("50-import-preview");
  // its usual address is not sure, so the person names one
  await page.getByLabel("Needs Base URL").fill(session.sandboxUrl);
  assert.ok(await page.getByRole("checkbox", { name: "Import: LiteLLM" }).isChecked());
  await page.getByRole("button", { name: "Import 1 key" }).click();
  await page.getByText("1 key was stored.").waitFor();
  await session.step("51-imported");
  await page.getByRole("button", { name: "AI Providers" }).click();
  await page.getByRole("option", { name: "LiteLLM" }).getByText("Active").waitFor();
});

test("a file of an export is imported with its passphrase", { skip: SKIP }, async (t) => {
  const session = await Session.start(t);
  const { page } = session;
  await session.withVault();
  await session.open("OpenAI-compatible");
  await session.addKey({ label: "work" });
  await page.getByText("Stored work.").waitFor();
  const file = join(session.dataDir, "keys.byokd");
  await writeFile(file, await exported(session.dataDir));
  await page.getByRole("button", { name: "Delete: work" }).click();
  await page.getByRole("button", { name: "Delete work" }).click();
  await page.getByText("Deleted work.").waitFor();

  await page.getByRole("button", { name: "Import keys" }).first().click();
  await page.getByRole("radio", { name: "A file of byokd" }).check();
  await page.getByLabel("Path of the file").fill(file);
  await page.getByLabel("Passphrase of the file").fill("not this passphrase");
  await page.getByRole("button", { name: "Look" }).click();
  await page.locator(".notice.bad").waitFor();
  await page.getByLabel("Passphrase of the file").fill(PASSPHRASE);
  await page.getByRole("button", { name: "Look" }).click();
  await page.getByRole("checkbox", { name: "Import: OpenAI-compatible" }).waitFor();
  await session.step("52-import-of-a-file");
  await page.getByRole("button", { name: "Import 1 key" }).click();
  await page.getByText("1 key was stored.").waitFor();
  await page.getByRole("button", { name: "AI Providers" }).click();
  await session.open("OpenAI-compatible");
  await page.getByRole("button", { name: "Change the label of work" }).waitFor();
});

/** Export the keys with a daemon of its own, which may do so. */
async function exported(dataDir: string): Promise<Buffer> {
  const client = await Client.start({
    command: process.env["BYOKD_PYTHON"] ?? "",
    args: ["-I", "-X", "utf8", "-m", "byokd", "--stdio", "--allow-export", "--data-dir", dataDir],
  });
  try {
    await client.vault.status();
    return Buffer.from((await client.request("key/export", { passphrase: { plain: PASSPHRASE } })).bundle, "base64");
  } finally {
    await client.close();
  }
}
