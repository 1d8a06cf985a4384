/** Models, requests and errors in the form that VS Code wants. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ByokdError, ConnectionClosed, type Action, type ErrorData, type ErrorKind, type ModelInfo } from "@byokd/client";
import type { ThemeIcon } from "vscode";

import { DaemonUnavailable } from "../src/daemon/unavailable.js";
import { FailureNotices } from "../src/models/failure_notices.js";
import { failureOf } from "../src/models/failures.js";
import { familyOf, limitsOf, modelsOf } from "../src/models/information.js";
import { usageJson } from "../src/models/parts.js";
import { chatParams, requesterOf } from "../src/models/requests.js";
import { costWords, usageWords } from "../src/models/usage.js";
import { isUtility } from "../src/models/utility.js";
import { words } from "../src/words.js";
import { readManifest } from "../testing/manifest.js";
import { text } from "../testing/parts.js";

const LIMIT = { timeout: 10_000 };
const NOW = Date.UTC(2026, 10, 29);
const DAY_MS = 86_400_000;
const MODEL: ModelInfo = {
  provider: "anthropic",
  keyId: null,
  id: "claude-sonnet-4-5",
  name: "Claude Sonnet 4.5",
  source: "live",
  seenAt: NOW,
  chat: true,
  contextTokens: 200_000,
  outputTokens: 64_000,
  inputModalities: ["text", "image"],
  tools: true,
  reasoning: true,
  price: { currency: "USD", input: "3", output: "15", cacheRead: "0.3", cacheWrite: null, asOf: "2026-11-23" },
  deprecated: null,
  efforts: ["low", "high"],
  endsAt: null,
  retired: null,
  unlisted: false,
  unavailable: null,
  facts: { price: null, context: null, output: null, inputs: null, efforts: null, endsAt: null, deprecated: null },
};

const ICON = { id: "warning" } as ThemeIcon; // only passed on
const NAMES = { providers: new Map([["anthropic", "Anthropic"]]), keys: new Map([["key_2", "work"]]), warningIcon: ICON };

function shown(change: Partial<ModelInfo> = {}) {
  const [model] = modelsOf([{ ...MODEL, ...change }], NAMES, NOW);
  assert.ok(model);
  return model;
}

test("a model says what it takes, its price in dollars and its efforts", LIMIT, () => {
  const model = shown();
  assert.deepEqual([model.id, model.name, model.family, model.version], ["anthropic/claude-sonnet-4-5", "Claude Sonnet 4.5", "claude-sonnet", "claude-sonnet-4-5"]);
  assert.deepEqual([model.maxInputTokens, model.maxOutputTokens, model.maxContextWindowTokens], [136_000, 64_000, 200_000]);
  assert.deepEqual(model.capabilities, { imageInput: true, toolCalling: true });
  assert.equal(model.detail, "Anthropic · $3 / $15");
  assert.equal(model.pricing, "$3.00 in, $15.00 out, $0.30 cached per million tokens");
  assert.match(model.tooltip ?? "", /Context: 200k tokens\n\nLongest answer: 64k tokens\n\nPrice: \$3\.00 in.*as of 2026-11-23/);
  assert.deepEqual(model.configurationSchema?.properties.reasoningEffort.enum, ["default", "low", "high"]);
  assert.equal(model.statusIcon, undefined);
  assert.equal(shown({ efforts: null }).configurationSchema, undefined);
});

test("limits that leave no room for a question, or are not known, are divided", LIMIT, () => {
  const cases: [number | null, number | null, { context: number; input: number; output: number }][] = [
    [200_000, 64_000, { context: 200_000, input: 136_000, output: 64_000 }],
    [131_072, 131_072, { context: 131_072, input: 98_304, output: 32_768 }], // the output may fill all
    [8192, 4096, { context: 8192, input: 4096, output: 4096 }], // exactly a half
    [8192, 4097, { context: 8192, input: 6144, output: 2048 }],
    [null, null, { context: 128_000, input: 111_616, output: 16_384 }],
    [32_000, null, { context: 32_000, input: 24_000, output: 8000 }],
    [null, 200_000, { context: 200_000, input: 150_000, output: 50_000 }],
  ];
  for (const [contextTokens, outputTokens, limits] of cases) assert.deepEqual(limitsOf({ contextTokens, outputTokens }), limits);
  assert.match(shown({ contextTokens: null }).tooltip ?? "", /Context: not known, 128k tokens are assumed/);
});

test("a model that cannot be used stays and says what to do", LIMIT, () => {
  const model = shown({ unavailable: { kind: "keyDisabled", keyId: "key_1", action: null } });
  assert.equal(model.detail, "Anthropic · key disabled");
  assert.equal(model.statusIcon, ICON);
  assert.match(Object.values(model.warningText ?? {}).join(), /Update or enable it: run byokd: Open AI Providers/);
  assert.match(model.tooltip ?? "", /Update or enable it/);
  assert.equal(shown({ unavailable: { kind: "somethingNewer", keyId: null, action: null } }).detail, "Anthropic · not available");
});

test("a model near its end says the day; one that ended or cannot chat is left out", LIMIT, () => {
  const model = shown({ endsAt: NOW + DAY_MS });
  assert.equal(model.detail, "Anthropic · $3 / $15 · ends 30 Nov");
  assert.deepEqual(Object.values(model.warningText ?? {}), ["The provider ends this model on 30 Nov."]);
  assert.equal(shown({ endsAt: NOW + 400 * DAY_MS }).warningText, undefined);
  assert.deepEqual(modelsOf([{ ...MODEL, retired: true }, { ...MODEL, chat: false }], NAMES, NOW), []);
  assert.equal(shown({ chat: null }).name, "Claude Sonnet 4.5");
});

test("models of one provider with the same name are told apart by id, and another key by its label", LIMIT, () => {
  const models = modelsOf([MODEL, { ...MODEL, id: "claude-sonnet-4-5-20250929" }, { ...MODEL, keyId: "key_2" }], NAMES, NOW);
  assert.deepEqual(models.map(({ name }) => name), ["claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "Claude Sonnet 4.5"]);
  assert.deepEqual(new Set(models.map(({ id }) => id)).size, 3);
  assert.equal(models[2]?.detail, "Anthropic (work) · $3 / $15");
  assert.equal(models[2]?.target.keyId, "key_2");
});

test("names from outside are no Markdown", LIMIT, () => {
  const { tooltip } = shown({ id: "[x](command:evil) <b> $(trash) `y`" });
  assert.match(tooltip ?? "", /\\\[x\\\]\(command:evil\) \\<b\\> \$\u200b\(trash\) \\`y\\`/);
});

test("families are the words that an id begins with", LIMIT, () => {
  const ids = ["claude-sonnet-4-5", "anthropic/claude-opus-5", "gpt-5.1", "gemini-3-flash", "o3", "@cf/openai/gpt-oss-120b", "qwen3-max"];
  assert.deepEqual(ids.map(familyOf), ["claude-sonnet", "claude-opus", "gpt", "gemini", "o3", "gpt-oss", "qwen3-max"]);
});

const TARGET = { provider: "anthropic", model: "m", keyId: null };

test("options become parameters, VS Code's own are left out, and the rest are raw fields", LIMIT, () => {
  const modelOptions = { temperature: 0.1, max_tokens: 99, top_k: 5, _conversationId: "x", stop: undefined };
  const params = chatParams(TARGET, [], { modelOptions, requestInitiator: "github.copilot-chat" }, undefined);
  const rest = { temperature: 0.1, maxOutputTokens: 99, providerOptions: { top_k: 5 }, _meta: { client: "github.copilot-chat" } };
  assert.deepEqual(params, { provider: "anthropic", model: "m", messages: [], ...rest });
});

test("tools, the tool mode and the effort reach the daemon", LIMIT, () => {
  const tools = [{ name: "look", description: "Looks" }];
  const paramsOf = (toolMode: number, effort: unknown) => chatParams({ ...TARGET, keyId: "key_2" }, [], { tools, toolMode, modelConfiguration: { reasoningEffort: effort } }, "low");
  const params = paramsOf(2, "high");
  assert.deepEqual([params.toolChoice, params.reasoning, params.keyId], ["required", { effort: "high" }, "key_2"]);
  assert.deepEqual(params.tools, [{ name: "look", description: "Looks", inputSchema: { type: "object", properties: {} } }]);
  assert.deepEqual([paramsOf(1, "default").toolChoice, paramsOf(1, "default").reasoning], ["auto", { effort: "low" }], "the setting counts where the model has no choice of its own");
  assert.equal(chatParams(TARGET, [], { toolMode: 2 }, undefined).toolChoice, undefined, "there is no tool to require");
});

test("the requester is at most 128 printable characters", LIMIT, () => {
  assert.equal(requesterOf("a".repeat(128)), "a".repeat(128));
  assert.equal(requesterOf("b".repeat(129)), "b".repeat(128));
  assert.equal(requesterOf("ext\u0000\n.é"), "ext.");
  assert.deepEqual([requesterOf(undefined), requesterOf("\u0007")], [undefined, undefined]);
});

function errorOf(kind: ErrorKind, userMessage: string, action: Action | null): ByokdError {
  const data: ErrorData = { kind, errorId: "e", retryable: false, retryAfterMs: null, provider: "mistral", model: "m", keyId: null, httpStatus: null, providerCode: null, providerMessage: null, providerRequestId: null, userMessage, action, partial: null, details: null };
  return new ByokdError(-31000, data);
}

test("an error is our sentence with what to do, and a button where a command helps", LIMIT, () => {
  const base = { url: null, choices: null, details: null } as const;
  const missing = failureOf(errorOf("keyMissing", "there is no key for Mistral", { ...base, type: "promptKey", provider: "mistral", keyId: null }));
  assert.deepEqual(missing, { text: 'There is no key for Mistral. Run "byokd: Add a Key".', textBesideButton: "There is no key for Mistral.", remedy: { title: "Add a Key", command: "byokd.addKey", arguments: ["mistral"] }, code: "NoPermissions" });
  const slow = failureOf(errorOf("rateLimited", "Mistral asks to slow down", { ...base, type: "wait", retryAfterMs: 11_200 }), true);
  assert.deepEqual(slow, { text: "Mistral asks to slow down. Try again in 12 s. The answer above is incomplete.", textBesideButton: "Mistral asks to slow down. Try again in 12 s. The answer above is incomplete.", remedy: undefined, code: "Blocked" });
  assert.equal(failureOf(errorOf("modelNotFound", "no such model", null)).code, "NotFound");
  assert.equal(failureOf(errorOf("badRequest", "refused", null)).code, undefined);
  const install = { title: "Install byokd", command: "byokd.installDaemon" };
  assert.equal(failureOf(new DaemonUnavailable("the daemon is not installed", install)).text, 'The daemon is not installed. Run "byokd: Install or Update the Daemon".');
  assert.equal(failureOf(new ConnectionClosed()).remedy?.command, "byokd.restartDaemon");
});

test("the names of commands in sentences are those of the command palette", LIMIT, async () => {
  const { contributes } = await readManifest();
  const titles = new Map(contributes.commands.map(({ command, category, title }) => [command, `${category}: ${title}`]));
  for (const [command, name] of Object.entries(words.commandNames)) assert.equal(name, titles.get(command));
  const sentences = JSON.stringify(words);
  for (const [mention] of sentences.matchAll(/(?:run|Run) byokd: [A-Z][^."]*/g)) {
    assert.ok([...titles.values()].some((title) => mention.replace(/^run /i, "").startsWith(title)), mention);
  }
});

test("the same button is offered once a minute", LIMIT, () => {
  const offered: string[] = [];
  const notices = new FailureNotices((sentence) => offered.push(sentence));
  const failure = failureOf(errorOf("vaultLocked", "the vault is locked", { url: null, choices: null, details: null, type: "unlockVault" }));
  notices.show(failure, 0);
  notices.show(failure, 59_999);
  notices.show({ ...failure, remedy: undefined }, 59_999);
  notices.show(failure, 60_000);
  assert.equal(offered.length, 2);
});

test("requests for titles are told from questions", LIMIT, () => {
  const messages = [{ role: 3, content: [text("Write a title.")] }, { role: 1, content: [text("…")] }];
  const chat = { requestInitiator: "github.copilot-chat" };
  assert.equal(isUtility(messages, chat), true);
  assert.equal(isUtility(messages, { requestInitiator: "some.extension" }), false);
  assert.equal(isUtility(messages, { ...chat, modelOptions: { _telemetryTurn: 1 } }), false);
  assert.equal(isUtility(messages, { ...chat, tools: [{ name: "t", description: "" }] }), false);
  assert.equal(isUtility([...messages, ...messages], chat), false);
});

test("usage and cost are told in words, and unknown ones as unknown", LIMIT, () => {
  const usage = { inputFresh: 200, inputCacheRead: 1000, inputCacheWrite: 34, outputText: 50, outputReasoning: 6, searches: 0, partial: false, raw: null };
  assert.equal(usageWords(usage), "1.2k tokens in (1k from the cache), 56 out");
  assert.equal(usageWords({ ...usage, inputCacheRead: 0, outputText: null }), "234 tokens in, ? out");
  assert.deepEqual(usageJson(usage), { prompt_tokens: 1234, completion_tokens: 56, total_tokens: 1290, prompt_tokens_details: { cached_tokens: 1000 }, completion_tokens_details: { reasoning_tokens: 6 } });
  assert.equal(usageJson({ ...usage, inputFresh: null }), undefined);
  const cost = { currency: "USD", source: "catalog" as const, asOf: null, basis: null, parts: null };
  assert.deepEqual(["0.00123", "0.00001", "1.5", "0", null].map((amount) => costWords({ ...cost, amount })), ["$0.0012", "less than $0.0001", "$1.50", "$0.0000", "cost not known"]);
});
