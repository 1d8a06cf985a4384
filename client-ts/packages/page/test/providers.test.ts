/** Providers on the page: search, addresses, further fields, and the facts of models. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { KEY, Session, SKIP } from "../testing/session.js";

test("a key for another address has that provider's models with their facts", { skip: SKIP }, async (t) => {
  const session = await Session.start(t);
  const { page } = session;
  await session.withVault();
  await page.getByRole("searchbox", { name: "Filter providers" }).fill("mistr");
  assert.equal(await page.getByRole("option").count(), 1);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Mistral" }).waitFor();
  await page.getByRole("button", { name: "Add a key for Mistral" }).click();
  await page.getByText("Use another address").first().click();
  await page.getByLabel("Send it to").selectOption("Another address");
  await page.getByLabel("Base URL").fill(new URL("/as/mistral/v1", session.sandboxUrl).href);
  await session.step("60-another-address");
  await page.getByLabel("API key").fill(KEY);
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText(/^Stored …cdef\./).waitFor();
  await page.getByRole("region", { name: "Table of models" }).getByRole("row").nth(1).waitFor();
  await page.getByRole("button", { name: /^Test: / }).first().click();
  await page.getByText(/First token after/).waitFor();
  await page.getByRole("cell", { name: "just now" }).waitFor();
  await page.locator("summary", { hasText: "Advanced" }).click();
  await session.step("61-models");
  for (const width of [380, 520, 600, 699, 700, 760, 900, 1000, 1100]) {
    await page.setViewportSize({ width, height: 800 });
    const table = page.getByRole("region", { name: "Table of models" });
    assert.ok(await table.getByRole("columnheader", { name: /Price/ }).isVisible(), `no price at ${width} px`);
    const hidden = await table.evaluate((region) => region.scrollWidth - region.clientWidth);
    assert.equal(hidden, 0, `the table is cut off at ${width} px`);
  }
  await page.getByRole("searchbox", { name: "Filter providers" }).fill("nothing like this");
  await page.getByText("No provider matches").waitFor();
  await session.step("62-no-match");
});

test("a provider with further fields names what is missing", { skip: SKIP }, async (t) => {
  const session = await Session.start(t);
  const { page } = session;
  await session.withVault();
  await session.open("Azure OpenAI");
  await page.getByRole("button", { name: "Add a key for Azure OpenAI" }).click();
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("is missing.").waitFor();
  await page.locator('input[aria-invalid="true"]:focus').waitFor();
  await session.step("63-further-fields");
  // the address from the portal fills them
  await page.getByLabel("Address, or what the portal shows").fill(new URL("/as/azure-openai/openai/v1", session.sandboxUrl).href);
  await page.getByLabel("API key").fill(KEY);
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText(/^Stored …cdef\./).waitFor();
  await session.step("64-further-fields-stored");
});

test("a pasted address shows its fields and where requests go before anything is stored", { skip: SKIP }, async (t) => {
  const session = await Session.start(t);
  const { page } = session;
  await session.withVault();
  await session.open("Azure OpenAI");
  await page.getByRole("button", { name: "Add a key for Azure OpenAI" }).click();
  const pasted = page.getByLabel("Address, or what the portal shows");
  await pasted.fill("https://my-res.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=2026-01-01");
  await page.getByText("my-res.openai.azure.com", { exact: true }).waitFor();
  assert.equal(await page.getByLabel("Resource name").inputValue(), "my-res");
  await page.getByText("api-key: {apiKey}").waitFor();
  await session.step("65-pasted-address");
  await pasted.fill("http://169.254.169.254/latest");
  await page.locator(".notice.warn").waitFor();
  await page.getByRole("button", { name: "Cancel" }).click();

  await session.open("Anthropic");
  await page.locator("summary", { hasText: "Advanced" }).click();
  await page.getByText("https://api.anthropic.com/v1/messages").waitFor();
  await page.getByText("x-api-key: {apiKey}").waitFor();
  await page.getByText("anthropic-version: 2023-06-01").waitFor();
  await page.locator("summary", { hasText: "Advanced" }).scrollIntoViewIfNeeded();
  await session.step("66-advanced");
});
