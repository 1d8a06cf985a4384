/** How the page is opened, loaded again, and kept from others; and the page without a pointer. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { KEY, Session, SKIP } from "../testing/session.js";

test("the token leaves the address, a reload works, and a second use ends the page", { skip: SKIP }, async (t) => {
  const session = await Session.start(t);
  const { page } = session;
  await page.getByRole("heading", { name: "Add your first key" }).waitFor();
  assert.equal(new URL(page.url()).search, "");
  assert.equal(await page.locator('meta[name="byokd-page"]').count(), 0);
  await page.reload();
  await page.getByRole("heading", { name: "Add your first key" }).waitFor();

  // the same browser has the cookie, and another tab still sees nothing
  const tab = await page.context().newPage();
  await tab.goto(new URL("/", session.address).href);
  await tab.getByText("This page opens once").waitFor();
  const status = await tab.evaluate(async () => (await fetch("/events", { method: "POST", body: "{}" })).status);
  assert.equal(status, 403);

  const again = await tab.goto(session.address);
  assert.equal(again?.status(), 403);
  await page.getByText("opened a second time").waitFor();
});

test("a page of another port cannot use the session", { skip: SKIP }, async (t) => {
  const session = await Session.start(t);
  const other = await session.page.context().newPage(); // cookies are shared between ports
  await other.route("http://127.0.0.1:1/**", (route) => route.fulfill({ contentType: "text/html", body: "<p>another page</p>" }));
  await other.goto("http://127.0.0.1:1/");
  const results = await other.evaluate(async (origin) => {
    const send = async (path: string, init: RequestInit) => {
      try {
        return (await fetch(origin + path, init)).type;
      } catch {
        return "refused";
      }
    };
    const json = { method: "POST", credentials: "include", headers: { "Content-Type": "application/json" }, body: "{}" } as const;
    return [await send("/events", json), await send("/", { credentials: "include" }), await send("/page.js", {})];
  }, new URL(session.address).origin);
  assert.deepEqual(results, ["refused", "refused", "refused"]);
  await session.page.getByRole("heading", { name: "Add your first key" }).waitFor();
});

test("everything can be done with the keyboard", { skip: SKIP, timeout: 180_000 }, async (t) => {
  const session = await Session.start(t);
  const { page } = session;
  const { keyboard } = page;
  await page.getByRole("heading", { name: "Add your first key" }).waitFor();
  await hasFocus(session, "API key"); // a key can be pasted at once
  await tabTo(session, "See all providers");
  await keyboard.press("Enter");
  await tabTo(session, "Set up");
  await keyboard.press("Enter");
  await tabTo(session, "Passphrase");
  await keyboard.press("ArrowDown"); // Key file
  await tabTo(session, "I have read what it does not protect against");
  await keyboard.press("Space");
  await tabTo(session, "Create the vault");
  await keyboard.press("Enter");
  await page.getByRole("button", { name: "Lock", exact: true }).waitFor();
  await tabTo(session, "AI Providers");
  await keyboard.press("Enter");

  await tabTo(session, "Filter providers");
  await keyboard.type("compat");
  await keyboard.press("ArrowDown");
  await keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "OpenAI-compatible" }).waitFor();
  await tabTo(session, "Add a key for OpenAI-compatible");
  await keyboard.press("Enter");
  await hasFocus(session, "Base URL"); // the form takes it
  await keyboard.type(session.sandboxUrl);
  await keyboard.press("Tab");
  await keyboard.type(KEY);
  await keyboard.press("Enter");
  await page.getByText("Stored …cdef.").waitFor();
  await hasFocus(session, "Add key");
  await page.keyboard.press("Tab");
  await hasFocus(session, "No label: add one to …cdef");
  await page.keyboard.press("Tab");
  await hasFocus(session, "Check: …cdef");
  await tabTo(session, "Disable: …cdef");
  await keyboard.press("Enter");
  await page.getByText("Disabled by you").waitFor();
  await tabTo(session, "Delete: …cdef");
  await keyboard.press("Enter");
  await hasFocus(session, "Cancel");
  await keyboard.press("Tab");
  await keyboard.press("Enter");
  await page.getByText("Deleted …cdef.").waitFor();
  assert.deepEqual(session.faults, []);
});

/** The accessible name of what has the focus, as far as these tests need it; runs in the page. */
function nameOfFocused(): string {
  const element = document.activeElement as HTMLElement;
  if (element === document.body) return ""; // nothing has it
  const label = element.id && document.querySelector(`label[for="${CSS.escape(element.id)}"]`);
  return (element.getAttribute("aria-label") ?? ((label as HTMLElement) || element).innerText).trim();
}

/** Wait until the control with this name has the focus. */
async function hasFocus({ page }: Session, name: string): Promise<void> {
  while (!(await page.evaluate(nameOfFocused)).startsWith(name)) await page.evaluate(() => new Promise(requestAnimationFrame));
}

/** Press Tab until the control with this name has the focus. */
async function tabTo({ page }: Session, name: string): Promise<void> {
  for (let pressed = 0; pressed < 120; pressed += 1) {
    if ((await page.evaluate(nameOfFocused)).startsWith(name)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not reach ${name}`);
}
