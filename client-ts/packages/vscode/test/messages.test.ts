/** Messages of VS Code become messages of the daemon, and its answers come back as parts. */

import assert from "node:assert/strict";
import { test } from "node:test";

import type { Answer, AnswerPart } from "@byokd/client";

import { answerOfMarker, idOfMarker } from "../src/models/markers.js";
import { MessageReader } from "../src/models/messages.js";
import { AnswerWriter } from "../src/models/parts.js";
import { Answers, callIdOf, newAnswerId, type KeptAnswer } from "../src/models/states.js";
import type { GivenMessage, ResponsePart } from "../src/models/vscode_parts.js";
import { classes, image, oldClasses, received, result, sentBack, text } from "../testing/parts.js";

const LIMIT = { timeout: 10_000 };
const { LanguageModelToolCallPart: Call, LanguageModelDataPart: Data, LanguageModelPromptTsxPart: Tsx } = classes;
const PIXEL = new Uint8Array([1, 2, 3]);
const STATE = { provider: "anthropic", model: "m" };

const read = (...messages: GivenMessage[]) => new MessageReader(classes, new Answers()).read(messages);

test("system, user, assistant and tool results keep their roles and order", LIMIT, () => {
  const messages = read(
    { role: 3, content: [text("Be brief."), image(PIXEL)] },
    { role: 1, content: "Plain text." },
    { role: 2, content: [text("Looking."), new Call("c1", "look", { at: [1, 2] })] },
    { role: 1, content: [result("c1", text("A pixel:"), image(PIXEL)), text("And now?")] },
  );
  assert.deepEqual(messages, [
    { role: "system", content: [{ type: "text", text: "Be brief." }] },
    { role: "user", content: [{ type: "text", text: "Plain text." }] },
    { role: "assistant", content: [{ type: "text", text: "Looking." }, { type: "toolCall", callId: "c1", name: "look", arguments: { at: [1, 2] } }] },
    { role: "tool", content: [{ type: "toolResult", callId: "c1", content: [{ type: "text", text: "A pixel:" }, { type: "image", data: "AQID", mediaType: "image/png" }] }] },
    { role: "user", content: [{ type: "text", text: "And now?" }] },
  ]);
});

test("data is text, image or file by its type, and what VS Code attaches for itself is left out", LIMIT, () => {
  const bytes = new TextEncoder().encode('{"a":1}');
  const content = [
    new Data(bytes, "application/json"),
    new Data(bytes, "text/markdown"),
    new Data(PIXEL, "image/webp"),
    new Data(PIXEL, "application/pdf"),
    ...["cache_control", "usage", "context_management", "phase_data", "thinking"].map((type) => new Data(bytes, type)),
  ];
  assert.deepEqual(read({ role: 1, content })[0]?.content, [
    { type: "text", text: '{"a":1}' },
    { type: "text", text: '{"a":1}' },
    { type: "image", data: "AQID", mediaType: "image/webp" },
    { type: "file", data: "AQID", mediaType: "application/pdf" },
  ]);
  assert.deepEqual(read({ role: 1, content: [new Data(bytes, "usage")] }), [], "an empty message is none");
});

test("a view into a larger buffer is only what it shows", LIMIT, () => {
  const view = new Uint8Array([9, 1, 2, 3, 9]).subarray(1, 4);
  assert.deepEqual(read({ role: 1, content: [image(view)] })[0]?.content, [{ type: "image", data: "AQID", mediaType: "image/png" }]);
});

test("a result that was rendered with prompt-tsx is its text", LIMIT, () => {
  const tree = { node: { type: 1, children: [{ type: 2, text: "one" }, { type: 1, children: [{ type: 2, text: "two", lineBreakBefore: true }] }] } };
  const [message] = read({ role: 1, content: [result("c1", new Tsx(tree), new Tsx({ other: 1 }))] });
  assert.deepEqual(message?.content, [{ type: "toolResult", callId: "c1", content: [{ type: "text", text: "one\ntwo" }, { type: "text", text: '{"other":1}' }] }]);
});

/** Write an answer with these parts; return what VS Code gets. */
function written(answers: Answers, content: readonly AnswerPart[], parts = classes): { answer: ReturnType<typeof received>; id: string; kept: KeptAnswer } {
  const reported: ResponsePart[] = [];
  const id = newAnswerId();
  const writer = new AnswerWriter(parts, id, (part) => reported.push(part));
  for (const [index, part] of content.entries()) {
    const blockId = String(index);
    if (part.type === "text") writer.onEvent({ type: "textDelta", blockId, delta: part.text });
    if (part.type === "reasoning") {
      writer.onEvent({ type: "reasoningStart", blockId, kind: part.kind });
      writer.onEvent({ type: "reasoningDelta", blockId, delta: part.text });
    }
    if (part.type === "toolCall") writer.onEvent({ ...part, type: "toolCallEnd" });
    if (part.type === "citation") writer.onEvent({ type: "citation", source: part.source, span: null });
  }
  const message: Answer = { role: "assistant", content, providerState: null };
  const kept = writer.end(message);
  const marker = answers.keep(id, kept);
  if (marker !== undefined) writer.marker(marker, "m");
  return { answer: received(reported), id, kept };
}

const thought = (words: string): AnswerPart => ({ type: "reasoning", text: words, kind: "raw", providerState: { ...STATE, signature: words } });
const textPart = (words: string): AnswerPart => ({ type: "text", text: words, providerState: null });
const called = (callId: string, input: object | string = {}): AnswerPart => ({
  type: "toolCall",
  callId,
  name: "look",
  arguments: typeof input === "string" ? null : { ...input },
  parseError: typeof input === "string" ? "the arguments are not valid json" : null,
  rawArguments: typeof input === "string" ? input : null,
  providerState: { ...STATE, signature: callId },
});

test("an answer comes back as the daemon gave it, with every way to send it back", LIMIT, () => {
  const content = [thought("first"), textPart("Let me see. "), thought("second"), called("call_0", { a: { b: [1] } }), called("call_1", "{broken")];
  for (const back of ["plain", "thinking", "marker"] as const) {
    const answers = new Answers();
    const { answer } = written(answers, content);
    assert.deepEqual(answer.thinking?.text, "firstsecond");
    const reader = new MessageReader(classes, back === "marker" ? new Answers() : answers);
    const results = answer.calls.map(({ id }) => result(id, text("seen")));
    const messages = reader.read([sentBack(answer, back), { role: 1, content: results }]);
    assert.deepEqual(messages[0], { role: "assistant", content, providerState: null }, back);
    assert.deepEqual(messages[1]?.content, ["call_0", "call_1"].map((callId) => ({ type: "toolResult", callId, content: [{ type: "text", text: "seen" }] })), back);
  }
});

test("two blocks of thoughts in a row are two paragraphs, and versions without the class get none", LIMIT, () => {
  const content = [thought("first"), thought("second"), textPart("done")];
  assert.equal(written(new Answers(), content).answer.thinking?.text, "first\n\nsecond");
  assert.equal(written(new Answers(), content, oldClasses).answer.thinking, undefined);
});

test("what a person or VS Code changed is sent as they changed it", LIMIT, () => {
  const answers = new Answers();
  const { answer } = written(answers, [thought("first"), textPart("Let me see."), called("call_0", { a: 1 }), thought("second"), called("call_1", {})]);
  const [first] = answer.calls;
  assert.ok(first);
  const edited = { ...answer, text: "Edited.", calls: [{ ...first, arguments: '{"a":2}' }] };
  const [message] = new MessageReader(classes, answers).read([sentBack(edited, "plain")]);
  assert.deepEqual(message?.content, [
    thought("first"),
    { type: "text", text: "Edited." },
    { type: "toolCall", callId: "call_0", name: "look", arguments: { a: 2 } }, // its signature does not fit any more
    // neither the call that was removed, nor the thought before it
  ]);
});

test("sources and notes are shown, and the model does not get them back as its own words", LIMIT, () => {
  const answers = new Answers();
  const source = (url: string | null, title: string | null): AnswerPart => ({ type: "citation", source: { url, title, document: null }, span: null, providerState: null });
  const content = [textPart("The Moon is far."), source("https://example.org/moon", "The [Moon]"), source("javascript:alert(1)", "Bad"), source("https://example.org/moon", "The [Moon]")];
  const { answer } = written(answers, content);
  assert.equal(answer.text, "The Moon is far.\n\n1. [The \\[Moon\\]](https://example.org/moon)\n2. Bad");
  const [message] = new MessageReader(classes, answers).read([sentBack(answer, "marker")]);
  assert.deepEqual(message?.content, content);
});

test("an answer of text alone needs no marker", LIMIT, () => {
  const answers = new Answers();
  assert.equal(written(answers, [textPart("Hello.")]).answer.marker, undefined);
  assert.equal(answers.sizeBytes, 0);
});

test("what is kept has a bound: the oldest answers go first, those in use stay", LIMIT, () => {
  const content = [thought("x".repeat(1000)), called("call_0")];
  const { kept } = written(new Answers(), content);
  const bytes = JSON.stringify(kept).length;
  const answers = new Answers(bytes * 3);
  const all = [1, 2, 3].map(() => written(answers, content));
  const [oldest] = all;
  assert.ok(oldest);
  assert.equal(answers.sizeBytes, bytes * 3, "at the bound all are kept");
  new MessageReader(classes, answers).read([sentBack(oldest.answer, "plain")]);
  all.push(written(answers, content)); // one past it
  assert.equal(answers.sizeBytes, bytes * 3);
  const isKept = all.map(({ answer }) => {
    const [message] = new MessageReader(classes, answers).read([sentBack(answer, "plain")]);
    return message?.content.length === 2;
  });
  assert.deepEqual(isKept, [true, false, true, true]);
});

test("a marker that is too large only names the answer; one that is damaged is ignored", LIMIT, () => {
  const answers = new Answers();
  const noise = Array.from({ length: 40_000 }, (_, index) => String.fromCharCode(33 + ((index * index * 31 + index * 7) % 90))).join("");
  const { answer, id } = written(answers, [thought(noise.repeat(3)), called("call_0")]);
  const small = written(answers, [thought("short"), called("call_0")]);
  assert.ok((answer.marker?.length ?? 0) <= 65_536);
  assert.equal(idOfMarker(answer.marker ?? ""), id);
  assert.deepEqual(answerOfMarker(small.answer.marker ?? "")?.callIds, ["call_0"]);
  const [, ownId, packed] = (small.answer.marker ?? "").split(".");
  for (const wrong of ["", "resp_123", `byokd1.${ownId}.AAAA`, `byokd1.${ownId}.${packed?.slice(0, -9)}`, `byokd2.${ownId}.${packed}`]) {
    assert.equal(answerOfMarker(wrong), undefined, wrong);
  }
  const unknown = callIdOf(newAnswerId(), 0);
  const [message] = new MessageReader(classes, answers).read([{ role: 2, content: [new Data(new TextEncoder().encode("m\\resp_123"), "stateful_marker"), new Call(unknown, "look", {})] }]);
  assert.deepEqual(message?.content, [{ type: "toolCall", callId: unknown, name: "look", arguments: {} }], "what nobody kept is sent as it is");
});
