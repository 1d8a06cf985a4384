/** Providers get their thoughts back through VS Code, which returns less than it was given. */

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";

import type { Client, Message } from "@byokd/client";

import type { Daemon } from "../src/daemon/service.js";
import { Responder } from "../src/models/responder.js";
import { Answers } from "../src/models/states.js";
import type { GivenMessage, ResponsePart } from "../src/models/vscode_parts.js";
import { daemonOf, LIMIT, sandbox, storeKey } from "../testing/daemon.js";
import { classes, received, result, sentBack, text, type Answered, type Back } from "../testing/parts.js";

/** Providers that refuse a conversation without their own thoughts; `path` is that of the base URL. */
const PROVIDERS = [
  { provider: "anthropic", path: "", model: "claude-sonnet-4-5-sandbox-agent-3" },
  { provider: "google", path: "/v1beta", model: "gemini-3-flash-sandbox-agent-3" },
  { provider: "openai", path: "/v1/responses", model: "gpt-5.1-sandbox-agent-3" },
] as const;
const TOOL = { name: "weather", description: "Looks up the weather", inputSchema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] } };

/** One conversation, as VS Code holds it: it has the parts that it got, and nothing of the daemon. */
class Conversation {
  readonly turns: GivenMessage[] = [];
  readonly answers: Answered[] = [];
  #requests = 0;

  constructor(
    readonly row: (typeof PROVIDERS)[number],
    readonly back: Back,
  ) {}

  ask(question: string): void {
    this.turns.push({ role: 1, content: [text(question)] });
  }

  /** Send all so far and add the answer with the results of its calls. Returns whether it called a tool. */
  async step(responder: Responder): Promise<boolean> {
    const parts: ResponsePart[] = [];
    const { provider, model } = this.row;
    const options = { tools: [TOOL], toolMode: 1, modelConfiguration: { reasoningEffort: "high" }, requestInitiator: "some.extension" };
    // As in VS Code, what comes first changes with each request, so that the daemon does not know the conversation again.
    const first: GivenMessage[] = [
      { role: 3, content: [text("Answer briefly.")] },
      { role: 1, content: [text(`request ${++this.#requests}`)] },
    ];
    const signal = new AbortController().signal;
    await responder.respond({ provider, model, keyId: null }, [...first, ...this.turns], options, (part) => parts.push(part), signal);
    const answer = received(parts);
    this.answers.push(answer);
    this.turns.push(sentBack(answer, this.back, model));
    for (const { id } of answer.calls) this.turns.push({ role: 1, content: [result(id, text("18 degrees"))] });
    return answer.calls.length > 0;
  }

  /** Step until there is an answer without a call; return how many calls came before. */
  async finish(responder: () => Responder): Promise<number> {
    let calls = 0;
    while (await this.step(responder())) calls += 1;
    return calls;
  }
}

function responderOf(daemon: Daemon, answers: Answers, log: (line: string) => void = () => {}): Responder {
  return new Responder({ daemon, classes, answers, effort: () => undefined, log });
}

async function prepared(t: TestContext) {
  const [origin, { daemon, client }] = await Promise.all([sandbox(t), daemonOf(t)]);
  for (const { provider, path } of PROVIDERS) await storeKey(client, origin, provider, path);
  return { daemon, client };
}

/** The answers of the daemon, and the assistant's messages that it was sent, from now on. */
function observed(client: Client): { answered: Message[]; sent: Message[][] } {
  const answered: Message[] = [];
  const sent: Message[][] = [];
  const chat = client.chat.bind(client);
  client.chat = (params, options) => {
    sent.push(params.messages.filter(({ role }) => role === "assistant"));
    const running = chat(params, options);
    running.result.then(({ message }) => answered.push(message), () => {});
    return running;
  };
  return { answered, sent };
}

test("a loop of three calls keeps its thoughts, whatever VS Code sends back of them", LIMIT, async (t) => {
  const { daemon, client } = await prepared(t);
  const { answered, sent } = observed(client);
  for (const row of PROVIDERS) {
    for (const back of ["plain", "thinking", "marker"] as const) {
      const answers = new Answers();
      const lines: string[] = [];
      const conversation = new Conversation(row, back);
      conversation.ask("What is the weather in Lisbon?");
      // A marker is all there is after the window was loaded again: then nothing is in memory.
      const calls = await conversation.finish(() => responderOf(daemon, back === "marker" ? new Answers() : answers, (line) => lines.push(line)));
      assert.equal(calls, 3, `${row.model} ${back}`);
      assert.deepEqual(sent.at(-1), answered.slice(-4, -1), "the daemon gets its own answers back");
      assert.deepEqual(lines.filter((line) => line.startsWith("warning")), []);
      assert.match(conversation.answers.at(-1)?.text ?? "", /The tool says: 18 degrees$/);
      assert.ok(conversation.answers[0]?.thinking?.text.startsWith("The person wants an answer."), row.model);
    }
  }
});

test("what is lost is told in the log", LIMIT, async (t) => {
  const { daemon } = await prepared(t);
  const lines: string[] = [];
  const conversation = new Conversation(PROVIDERS[0], "plain");
  conversation.ask("What is the weather in Lisbon?");
  await conversation.finish(() => responderOf(daemon, new Answers(), (line) => lines.push(line)));
  assert.ok(lines.includes("warning: thinking stays off until the open tool calls have their results"), lines.join("\n"));
});

test("two conversations with the same ids of calls keep their own thoughts, also after many turns", LIMIT, async (t) => {
  const { daemon } = await prepared(t);
  const responder = responderOf(daemon, new Answers());
  for (const row of PROVIDERS) {
    const conversations = [new Conversation(row, "plain"), new Conversation(row, "thinking")];
    for (let turn = 0; turn < 4; turn++) {
      for (const conversation of conversations) conversation.ask(`What is the weather in Lisbon on day ${turn}?`);
      const calls = await Promise.all(conversations.map((conversation) => conversation.finish(() => responder)));
      assert.deepEqual(calls, [3, 3], row.model);
    }
    const ids = conversations.flatMap(({ answers }) => answers.flatMap(({ calls }) => calls.map(({ id }) => id)));
    assert.equal(new Set(ids).size, 24, "VS Code gets no id twice");
  }
});
