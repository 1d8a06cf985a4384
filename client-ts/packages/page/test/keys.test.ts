/** Keys on the page: added, refused, stored unchecked, and everything that can be done to one. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { BAD_KEY, KEY, Session, SKIP } from "../testing/session.js";

test("a key is checked before it is stored, and a bad one is not stored", { skip: SKIP }, async (t) => {
  const session = await Session.start(t);
  const { page } = session;
  await session.withVault();
  await session.step("20-providers");
  await session.open("OpenAI-compatible");
  await session.step("21-provider-without-a-key");

  await session.addKey({ key: BAD_KEY });
  await page.getByText("Nothing was stored.").waitFor();
  assert.equal(await page.getByLabel("API key").inputValue(), "");
  await page.locator('input[type="password"]:focus').waitFor();
  await session.step("22-key-refused");

  const requests: string[] = [];
  page.on("request", (request) => requests.push(/"method":"([^"]*)"/.exec(request.postData() ?? "")?.[1] ?? ""));
  await page.getByLabel("API key").fill(KEY);
  await page.getByRole("textbox", { name: "Label" }).fill("work");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Stored work.").waitFor();
  assert.deepEqual(requests.filter((method) => /^key\/(store|probe)$/.test(method)), ["key/store"], "one request checks and stores it");
  await page.getByText("What next?").waitFor();
  await page.getByRole("cell", { name: "sandbox-echo" }).first().waitFor();
  await session.step("23-key-stored");
  await page.getByRole("button", { name: "Ask something" }).click();
  await page.getByLabel("Model", { exact: true }).selectOption("sandbox-echo");
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await page.locator(".answer").waitFor();
  await page.getByRole("button", { name: "Close" }).click();

  await page.getByRole("button", { name: "Test: sandbox-echo" }).click();
  await page.getByText("First token after").waitFor();
  await page.getByRole("button", { name: "Test the connection" }).click();
  await page.getByText("Everything works.").waitFor();
  await session.step("24-model-and-connection-tested");
});

test("nothing is stored unasked where the provider does not answer", { skip: SKIP }, async (t) => {
  const session = await Session.start(t);
  const { page } = session;
  await session.withVault();
  await session.open("OpenAI-compatible");
  await session.addKey({ baseUrl: "http://127.0.0.1:9/v1", label: "later" });
  await page.getByText("Nothing was stored yet").waitFor();
  assert.equal(await page.getByRole("table").count(), 0);
  await session.step("25-unreachable");
  await page.getByRole("button", { name: "Store without asking" }).click();
  await page.getByText("Stored later.").waitFor();
  await page.getByText("It was not checked.").waitFor();
  assert.equal(await page.getByRole("row").count(), 2);
});

test("keys are disabled, enabled, updated, made default and deleted", { skip: SKIP }, async (t) => {
  const session = await Session.start(t);
  const { page } = session;
  await session.withVault();
  await session.open("OpenAI-compatible");
  await session.addKey({ label: "first" });
  await page.getByText("Stored first.").waitFor();
  await session.addKey({ label: "second" });
  await page.getByText("Stored second.").waitFor();
  const row = (name: string) => page.getByRole("row").filter({ has: page.getByText(name, { exact: true }) });

  await page.getByRole("button", { name: "Make default: second" }).click();
  await row("second").getByText("Default", { exact: true }).waitFor();
  const label = page.getByRole("button", { name: "Change the label of second", exact: true });
  await label.click();
  const field = page.locator(".label-edit input");
  await field.fill("first");
  await page.keyboard.press("Enter");
  await page.getByText("Another key of this provider has this label.").waitFor();
  await session.step("26-label-taken");
  await field.fill("x".repeat(129));
  await page.keyboard.press("Enter");
  await page.getByText("A label has at most 128 characters.").waitFor();
  await page.keyboard.press("Escape");
  await label.and(page.locator(":focus")).waitFor();
  await label.click();
  await field.fill("second one");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Change the label of second one" }).and(page.locator(":focus")).waitFor();

  await page.getByRole("button", { name: "Disable: first" }).click();
  await row("first").getByText("Disabled by you").waitFor();
  await session.step("26-two-keys");
  await page.getByRole("button", { name: "Re-enable: first" }).click();
  await row("first").getByText("Active").waitFor();
  await page.getByRole("button", { name: "Check: first" }).click();
  await page.getByText("accepts this key").waitFor();

  await page.getByRole("button", { name: "Update key: first" }).click();
  await page.getByLabel("API key").fill(BAD_KEY);
  await page.getByRole("button", { name: "Update key", exact: true }).click();
  await page.getByText("Nothing was stored.").waitFor();
  await page.getByLabel("API key").fill(KEY);
  await page.getByRole("button", { name: "Update key", exact: true }).click();
  await page.getByText("Updated first.").waitFor();

  await page.getByRole("button", { name: "Delete: first" }).click();
  const question = page.getByRole("alertdialog", { name: "Delete first?" });
  await question.waitFor();
  await question.locator("button:focus").getByText("Cancel").waitFor();
  await session.step("27-delete");
  await page.keyboard.press("Escape");
  assert.equal(await row("first").count(), 1);
  await page.getByRole("button", { name: "Delete: first" }).click();
  await page.getByRole("button", { name: "Delete first" }).click();
  await page.getByText("Deleted first.").waitFor();
  assert.equal(await row("first").count(), 0);
  await session.step("28-deleted");
});

test("what ends with a key is counted before it is deleted or disabled", { skip: SKIP }, async (t) => {
  const session = await Session.start(t, {
    initScript: () => {
      const parse = JSON.parse;
      JSON.parse = (text: string) => {
        if (text.includes("chat/events")) document.documentElement.dataset["chats"] = "running";
        return parse(text) as unknown;
      };
    },
  });
  const { page } = session;
  await session.withVault();
  await session.open("OpenAI-compatible");
  await session.addKey({ label: "work" });
  await page.getByText("Stored work.").waitFor();
  await page.evaluate(async () => {
    const messages = [{ role: "user", content: "hello" }];
    const params = { streamId: "silent", provider: "openai-compatible", model: "sandbox-silent", messages };
    await fetch("/message", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Byokd-Page": sessionStorage.getItem("byokd-page") ?? "" },
      body: JSON.stringify({ type: "request", id: 1_000_000, method: "chat/send", params }),
    });
  });
  await page.locator('html[data-chats="running"]').waitFor();
  await page.getByRole("button", { name: "Disable: work" }).click();
  const question = page.getByRole("alertdialog", { name: "Disable work?" });
  await question.getByText("1 chat of this key is running here; it will stop").waitFor();
  await session.step("27-disable-with-a-chat");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Delete: work" }).click();
  await page.getByRole("alertdialog", { name: "Delete work?" }).getByText("1 chat of this key is running here").waitFor();
  await page.getByRole("button", { name: "Delete work" }).click();
  await page.getByText("Deleted work.").waitFor();
});

test("what is pasted along with a key is removed, and said so", { skip: SKIP }, async (t) => {
  const session = await Session.start(t);
  const { page } = session;
  await session.withVault();
  await session.open("Mistral");
  await page.getByRole("button", { name: "Add a key for Mistral" }).click();
  const field = page.getByLabel("API key");
  const cases: readonly (readonly [string, string, string])[] = [
    ["abc\n", "abc", "line break"],
    ["  abc ", "abc", "spaces"],
    ["export MISTRAL_API_KEY=abc", "abc", "name of the variable"],
    ['"abc"', "abc", "quotes"],
    ["Bearer abc", "abc", "Bearer"],
    ['MISTRAL_API_KEY="abc"\r\n', "abc", "quotes"],
  ];
  for (const [pasted, kept, note] of cases) {
    await field.fill("");
    await field.evaluate((input, text) => {
      const clipboardData = new DataTransfer();
      clipboardData.setData("text/plain", text);
      input.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
    }, pasted);
    assert.equal(await field.inputValue(), kept, pasted);
    await page.getByText(note).first().waitFor();
  }
  const reveal = page.getByRole("button", { name: "Show while pressed" });
  assert.equal(await field.getAttribute("type"), "password");
  await reveal.hover();
  await page.mouse.down();
  assert.equal(await field.getAttribute("type"), "text");
  await page.mouse.up();
  assert.equal(await field.getAttribute("type"), "password");
});

test("a key that dies is reported in words, and its form is one click away", { skip: SKIP }, async (t) => {
  const session = await Session.start(t);
  const { page } = session;
  await session.withVault();
  await session.open("OpenAI-compatible");
  await session.addKey({ label: "work" });
  await page.getByText("Stored work.").waitFor();
  await page.getByRole("cell", { name: "sandbox-echo" }).first().waitFor();
  await session.control(KEY, false);
  for (let chats = 0; chats < 3; chats += 1) {
    await page.getByRole("button", { name: "Test: sandbox-echo" }).click();
    await page.locator(".outcome .notice.bad").waitFor();
  }
  const question = page.getByRole("alertdialog", { name: "Question" });
  await question.getByText("work").waitFor();
  await page.getByRole("cell", { name: /Disabled: rejected by OpenAI-compatible on/ }).waitFor();
  await session.step("29-key-rejected");
  await session.control(KEY, true);
  await question.getByRole("button", { name: "Update key" }).click();
  await page.getByLabel("API key").fill(KEY);
  await page.getByRole("button", { name: "Update key", exact: true }).click();
  await page.getByText("Updated work.").waitFor();
  await page.getByRole("cell", { name: "Active" }).waitFor();
  assert.equal(await question.count(), 0);
});
