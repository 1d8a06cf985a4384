/**
 * A host whose every text is an attack: the page shows the texts, and nothing in them runs.
 *
 * The page runs in the channel of a webview here, with a host of this test, under the policy of `byokd ui`.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Session, SKIP } from "../testing/session.js";

const ATTACKS = [
  "<img src=x onerror=alert(1)>",
  "<script>globalThis.owned=1</script>",
  '"><svg onload=alert(1)>',
  "javascript:alert(1)",
  "{{constructor.constructor('alert(1)')()}}",
  "‮<iframe srcdoc='<script>alert(1)</script>'>",
];

test("nothing runs in names, ids, errors, tools and audit details", { skip: SKIP }, async (t) => {
  const session = await Session.start(t);
  const { page } = session;
  for (const attack of ATTACKS) {
    const context = await session.browser.newContext();
    const hostile = await context.newPage();
    const faults: string[] = [];
    hostile.on("pageerror", (error) => faults.push(error.message));
    hostile.on("console", (message) => {
      if (message.type() === "error") faults.push(message.text());
    });
    hostile.on("dialog", (dialog) => {
      faults.push(dialog.message());
      void dialog.dismiss();
    });
    await hostile.addInitScript(hostileHost, attack);
    await hostile.goto(new URL("/", session.address).href);

    await hostile.getByRole("option").first().click();
    await hostile.getByRole("heading", { level: 1 }).getByText(attack).waitFor();
    await hostile.getByRole("table").last().getByText(attack).first().waitFor();
    await hostile.locator("summary").last().click();
    await hostile.getByRole("button", { name: "Test the connection" }).click();
    await hostile.locator(".steps .text").getByText(attack).first().waitFor();
    await hostile.getByRole("button", { name: "Check: " }).first().click();
    await hostile.locator(".notice").getByText(attack).first().waitFor();
    await hostile.getByRole("button", { name: "Test: " }).first().click();
    await hostile.locator(".outcome").getByText(attack).first().waitFor();
    assert.deepEqual(await hrefs(hostile), []);
    await hostile.locator("#question").getByText(attack).waitFor();
    await hostile.getByRole("button", { name: "Audit log" }).click();
    await hostile.locator(".log summary").first().click();
    await hostile.locator(".log dd").getByText(attack).first().waitFor();
    await hostile.getByRole("button", { name: "Vault" }).click();
    await hostile.locator(".facts").getByText(attack).first().waitFor();
    await hostile.getByRole("button", { name: "Import keys" }).click();
    await hostile.getByRole("button", { name: "Look" }).click();
    await hostile.getByRole("table").getByText(attack).first().waitFor();

    assert.equal(await hostile.evaluate(() => "owned" in globalThis), false);
    assert.equal(await hostile.locator("main script, main iframe, main img").count(), 0);
    assert.deepEqual(faults, [], attack);
    await context.close();
  }
  await page.getByRole("heading", { level: 1 }).waitFor();
});

test("the policy refuses what an injected text could try", { skip: SKIP }, async (t) => {
  const session = await Session.start(t);
  const response = await session.page.request.get(new URL("/", session.address).href);
  const policy = response.headers()["content-security-policy"] ?? "";
  assert.ok(policy.includes("default-src 'none'"));
  assert.ok(!policy.includes("unsafe"));
  const ran = await session.page.evaluate(() => {
    try {
      document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='globalThis.owned=1'>");
    } catch {
      return "refused";
    }
    return "accepted";
  });
  assert.equal(ran, "refused");
});

/** Return the links that may be followed to something else than a page. */
const hrefs = (page: Session["page"]): Promise<string[]> =>
  page.evaluate(() => [...document.querySelectorAll("a")].map((a) => a.href).filter((href) => !href.startsWith("https://")));

/** Runs in the page, before its script: a webview host that answers with one text everywhere. */
function hostileHost(x: string): void {
  const provider = {
    id: x, name: x, kind: "singleField", stage: "stable", dialect: x, dialects: [x], baseUrl: x, baseUrlRequired: false, baseUrlHint: x,
    baseUrlEnv: [x], hosts: [{ name: x, baseUrl: x, note: x }],
    fields: [{ name: "apiKey", label: x, secret: true, required: true, pattern: null, hint: x, env: [x], addressOnly: false }],
    keyless: false, keyUrl: x, keyPrefixHint: x, keyPrefixes: [x], docsUrl: x, toolCalling: x, pricing: x, tags: [x], notes: [x], chatAvailable: true, layer: x, asOf: x,
  };
  const key = {
    keyId: "k", provider: x, label: x, isDefault: true, origin: x, baseUrl: x, allowInsecureOrigin: true, last4: x, fingerprint: x, fields: { a: x },
    state: "active", reason: x, version: 1, createdAt: 1, rotatedAt: null, lastUsedAt: null, disabledAt: null,
  };
  const vault = {
    state: "unlocked", protection: x, degraded: true, reason: x, hint: x, backend: x, protectsAgainst: x, doesNotProtectAgainst: x, choices: [], audit: x, anchor: x,
    slots: [{ id: x, kind: x, state: x, createdAt: 1, reason: x }],
  };
  const fact = { source: x, asOf: x };
  const model = {
    provider: x, keyId: null, id: x, name: `${x} `, source: x, seenAt: 1, chat: true, contextTokens: 1, outputTokens: 1, inputModalities: [x], tools: true,
    reasoning: true, deprecated: false, efforts: [x], endsAt: 1, retired: false, unlisted: true, unavailable: null,
    price: { currency: x, input: "1", output: x, cacheRead: null, cacheWrite: null, asOf: x },
    facts: { price: fact, context: fact, output: fact, inputs: fact, efforts: fact, endsAt: fact, deprecated: fact },
  };
  const error = {
    kind: "providerError", errorId: x, retryable: false, retryAfterMs: null, provider: x, model: x, keyId: x, httpStatus: 500, providerCode: x,
    providerMessage: x, providerRequestId: x, userMessage: x, action: { type: "openUrl", url: x, choices: null, details: null }, partial: null, details: null,
  };
  const probe = { verdict: x, httpStatus: 200, message: x, modelsSeen: 1, details: {}, checkedAt: 1, durationMs: 1 };
  const step = { name: x, status: x, durationMs: 1, message: x, kind: x, action: error.action, details: {} };
  const entry = { seq: 1, at: 1, event: x, provider: x, keyId: x, actor: x, details: { [x]: x } };
  const item = { id: x, provider: x, label: x, variables: [x], fields: [x], origin: x, baseUrl: x, last4: x, fingerprint: x, storedAs: null, problem: { type: x, field: x, message: x } };
  const page = (one: unknown) => ({ items: [one], nextCursor: null });
  const results: Record<string, unknown> = {
    "provider/list": page(provider),
    "key/list": page(key),
    "vault/status": { vault, backups: [{ number: 1, takenAt: 1, sizeBytes: 1 }] },
    "model/list": { ...page(model), stale: false, failures: [{ provider: x, keyId: x, kind: x, message: x, seenAt: 1 }] },
    "provider/test": { provider: x, keyId: x, baseUrl: x, proxied: true, ok: false, durationMs: 1, steps: [step] },
    "key/probe": { probe, action: error.action },
    "audit/list": page(entry),
    "key/import": { items: [item], ignored: [{ variable: x, provider: x, reason: x }], warnings: [{ type: x, line: 1, message: x }], outcomes: null },
  };
  const send = (message: unknown) => queueMicrotask(() => window.postMessage(message, "*"));
  (globalThis as unknown as Record<string, unknown>)["acquireVsCodeApi"] = () => ({
    getState: () => undefined,
    setState: () => {},
    postMessage(message: { type: string; id: number; method: string }) {
      if (message.type === "ready") {
        send({ type: "hello", host: "vscode", account: x });
        send({ type: "question", id: "s:1", params: { type: 2, message: x, actions: [{ title: x }], _meta: { topic: "key", keyId: x, provider: x, label: x, reason: x } } });
      } else if (message.type === "request") {
        const result = results[message.method];
        send(result ? { type: "result", id: message.id, result } : { type: "error", id: message.id, error });
      }
    },
  });
}
