/**
 * Counts tokens, and remembers the counts: VS Code asks for each message and each tool, again for
 * every request.
 */

import { createHash } from "node:crypto";

import type { Client, CountTokensParams, Message, Part } from "@byokd/client";

import type { Target } from "./information.js";

const ENTRIES_MAX = 10_000;
/** Without a daemon a token is taken to be four bytes, as usual for English and code. */
const BYTES_PER_TOKEN = 4;
/** An image counts the same whatever it shows, so its data need not be sent. */
const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=";

export type Counted = string | Message;

export class TokenCounts {
  readonly #client: () => Client | undefined;
  readonly #counts = new Map<string, number>(); // the least recently used first
  readonly #running = new Map<string, Promise<number>>();

  /** `client` returns the client if a daemon runs; no count starts one. */
  constructor(client: () => Client | undefined) {
    this.#client = client;
  }

  /** The tokens of a text, or of messages that VS Code sent as one. Never rejects. */
  async count(target: Target, counted: readonly Counted[]): Promise<number> {
    const counts = await Promise.all(counted.map((one) => this.#one(target, typeof one === "string" ? one : slim(one))));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async #one(target: Target, counted: Counted): Promise<number> {
    if (counted === "") return 0;
    const key = keyOf(target, counted);
    const known = this.#counts.get(key);
    if (known !== undefined) {
      this.#put(key, known);
      return known;
    }
    const client = this.#client();
    if (!client) return roughly(counted);
    const running = this.#running.get(key) ?? this.#ask(client, target, counted, key);
    this.#running.set(key, running);
    try {
      return await running;
    } catch {
      return roughly(counted); // a count is an estimate in any case
    }
  }

  /** The same content is asked for once, however many wait for it. */
  async #ask(client: Client, { provider, model }: Target, counted: Counted, key: string): Promise<number> {
    const what: Partial<CountTokensParams> = typeof counted === "string" ? { text: counted } : { messages: [counted] };
    try {
      const { inputTokens } = await client.countTokens({ provider, model, ...what });
      this.#put(key, inputTokens);
      return inputTokens;
    } finally {
      this.#running.delete(key);
    }
  }

  #put(key: string, count: number): void {
    this.#counts.delete(key);
    this.#counts.set(key, count);
    const [oldest] = this.#counts.keys();
    if (this.#counts.size > ENTRIES_MAX && oldest !== undefined) this.#counts.delete(oldest);
  }
}

function keyOf({ provider, model }: Target, counted: Counted): string {
  return createHash("sha256").update(JSON.stringify([provider, model, counted])).digest("base64");
}

/** The tokens of a text or a message without a daemon. */
export function roughly(counted: Counted): number {
  return Math.ceil(Buffer.byteLength(typeof counted === "string" ? counted : JSON.stringify(counted.content)) / BYTES_PER_TOKEN);
}

function slim(message: Message): Message {
  if (typeof message.content === "string") return message;
  return { ...message, content: message.content.map(slimPart) };
}

function slimPart(part: Part): Part {
  if (part.type === "image" && part.data) return { ...part, data: PIXEL, mediaType: "image/png" };
  if (part.type !== "toolResult" || typeof part.content === "string") return part;
  return { ...part, content: part.content.map((item) => (item.type === "image" && item.data ? { ...item, data: PIXEL, mediaType: "image/png" } : item)) };
}
