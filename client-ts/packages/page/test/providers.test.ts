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
  await page.locator("summary", { hasText: "Advanced" }).click();
  await session.step("61-models");
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
