/**
 * Keeps answers as the daemon gave them, because VS Code gives back less than a provider requires.
 *
 * VS Code returns the text, the tool calls and their results. Providers also want their thoughts
 * and signatures (`reasoning` parts and `providerState`). An answer is found again by the ids of
 * its tool calls, by the id of its thoughts, or by its marker; the marker also holds the answer,
 * so that it survives a reload of the window.
 */

import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";

import type { Answer, AnswerPart, Message, Part, ToolCallPart, ToolCallPartInput } from "@byokd/client";

import { answerOfMarker, encodeMarker, idOfMarker } from "./markers.js";

export interface KeptAnswer {
  message: Answer;
  /** The daemon's ids of the tool calls, in the order in which VS Code got them. */
  callIds: readonly string[];
  /** Text that was shown after the answer's own, such as a list of sources. */
  addedText: string;
}

/** What VS Code gives back of one answer. */
export interface GivenTurn {
  /** Text and tool calls, in their order. */
  parts: readonly Part[];
  thinkingIds: readonly string[];
  markers: readonly string[];
}

/** An earlier answer as the daemon gets it, and the daemon's ids of its calls by those of VS Code. */
export interface Restored {
  message: Message;
  callIds: ReadonlyMap<string, string>;
}

const ENTRIES_MAX = 2000;
const MAX_BYTES = 32 * 1024 * 1024;
const CALL_ID = /^byokd-([0-9a-f]{16})-(\d{1,4})$/;

export class Answers {
  readonly #kept = new Map<string, { answer: KeptAnswer; bytes: number }>(); // the oldest first
  #bytes = 0;
  readonly #maxBytes: number;

  constructor(maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** How much is kept, in bytes of JSON. */
  get sizeBytes(): number {
    return this.#bytes;
  }

  /** Keep an answer under its id. Returns the marker that VS Code sends back, or undefined if none is needed. */
  keep(id: string, answer: KeptAnswer): string | undefined {
    if (!isNeeded(answer)) return undefined;
    this.#put(id, answer);
    return encodeMarker(id, answer);
  }

  /** Return the message of an earlier answer with all that the provider wants back. */
  restore(turn: GivenTurn): Restored {
    const entry = this.#find(turn);
    if (entry) return merge(turn.parts, entry.id, entry.answer);
    return { message: { role: "assistant", content: turn.parts }, callIds: new Map() };
  }

  #find(turn: GivenTurn): { id: string; answer: KeptAnswer } | undefined {
    for (const id of idsOf(turn)) {
      const answer = this.#kept.get(id)?.answer ?? fromMarkers(turn.markers, id);
      if (!answer) continue;
      this.#put(id, answer); // the newest again
      return { id, answer };
    }
    return undefined;
  }

  #put(id: string, answer: KeptAnswer): void {
    const bytes = this.#kept.get(id)?.bytes ?? JSON.stringify(answer).length;
    if (this.#kept.delete(id)) this.#bytes -= bytes;
    this.#kept.set(id, { answer, bytes });
    this.#bytes += bytes;
    for (const [oldest, entry] of this.#kept) {
      if (this.#bytes <= this.#maxBytes && this.#kept.size <= ENTRIES_MAX) break;
      this.#kept.delete(oldest);
      this.#bytes -= entry.bytes;
    }
  }
}

/** A new id of an answer: no two answers have the same, in any conversation. */
export const newAnswerId = (): string => randomBytes(8).toString("hex");

/**
 * The id of a tool call for VS Code. Providers number their calls anew in each conversation, so
 * theirs would not say which answer a call belongs to.
 */
export const callIdOf = (answerId: string, index: number): string => `byokd-${answerId}-${index}`;

/** The object that VS Code gets as the input of a tool call: arguments that are no object are none. */
export function inputOf(call: { readonly arguments: unknown }): object {
  const { arguments: given } = call;
  return typeof given === "object" && given !== null && !Array.isArray(given) ? given : {};
}

function isNeeded({ message, addedText }: KeptAnswer): boolean {
  if (message.providerState || addedText) return true;
  return message.content.some((part) => part.type !== "text" || part.providerState !== null);
}

function* idsOf({ parts, thinkingIds, markers }: GivenTurn): Generator<string> {
  for (const part of parts) {
    const id = part.type === "toolCall" ? CALL_ID.exec(part.callId)?.[1] : undefined;
    if (id !== undefined) yield id;
  }
  yield* thinkingIds;
  yield* markers.map(idOfMarker).filter((id) => id !== undefined);
}

function fromMarkers(markers: readonly string[], id: string): KeptAnswer | undefined {
  const marker = markers.find((candidate) => idOfMarker(candidate) === id);
  return marker === undefined ? undefined : answerOfMarker(marker);
}

/**
 * Join what was kept with what VS Code gave back. VS Code decides which text and which tool calls
 * there are, because a person or VS Code may have changed or removed some; what was kept adds the rest.
 */
function merge(given: readonly Part[], id: string, { message, callIds, addedText }: KeptAnswer): Restored {
  const calls = new Map<string, ToolCallPartInput>(); // by the daemon's id
  const others: Part[] = [];
  const texts: Part[] = [];
  for (const part of given) {
    const own = part.type === "toolCall" ? callIds[indexOfCall(part.callId, id)] : undefined;
    if (part.type === "toolCall" && own !== undefined) calls.set(own, part);
    else if (part.type === "text") texts.push(part);
    else if (part.type !== "reasoning") others.push(part); // its thoughts are kept, with their signature
  }
  const isSameText = textOf(texts).trim() === (textOf(message.content) + addedText).trim();
  const merged = withoutOrphans(chosenParts(message.content, calls, isSameText ? undefined : texts));
  return {
    message: { role: "assistant", content: [...merged, ...others], providerState: message.providerState },
    callIds: new Map([...calls].map(([own, part]) => [part.callId, own])),
  };
}

interface Choice {
  kept: AnswerPart | undefined;
  /** What is sent for it: nothing if VS Code removed it. */
  sent: readonly Part[];
}

/** Choose for each part of the kept answer what is sent. `texts` are given if they differ from its own. */
function chosenParts(
  kept: readonly AnswerPart[],
  calls: ReadonlyMap<string, ToolCallPartInput>,
  texts: readonly Part[] | undefined,
): Choice[] {
  let rest = texts ?? [];
  const chosen = kept.map((part): Choice => {
    if (part.type === "toolCall") {
      const given = calls.get(part.callId);
      return { kept: part, sent: given ? [sameCall(part, given)] : [] };
    }
    if (part.type !== "text" || texts === undefined) return { kept: part, sent: [part] };
    const sent = rest;
    rest = [];
    return { kept: part, sent };
  });
  return rest.length > 0 ? [...chosen, { kept: undefined, sent: rest }] : chosen;
}

/** The kept call, unless VS Code gives it back with another input: then its signature does not fit. */
function sameCall(kept: ToolCallPart, given: ToolCallPartInput): Part {
  const isSame = given.name === kept.name && isDeepStrictEqual(given.arguments, inputOf(kept));
  return isSame ? kept : { ...given, callId: kept.callId };
}

/** Leave out thoughts before a tool call that VS Code removed: providers refuse thoughts that nothing follows. */
function withoutOrphans(chosen: readonly Choice[]): Part[] {
  const parts: Part[] = [];
  let isRemoved = false;
  for (const { kept, sent } of chosen.toReversed()) {
    if (kept?.type !== "reasoning") isRemoved = sent.length === 0;
    if (kept?.type !== "reasoning" || !isRemoved) parts.unshift(...sent);
  }
  return parts;
}

/** The number of a call in the answer `answerId`; -1 if the id is of another answer. */
function indexOfCall(callId: string, answerId: string): number {
  const [, id, index] = CALL_ID.exec(callId) ?? [];
  return id === answerId ? Number(index) : -1;
}

function textOf(parts: readonly Part[]): string {
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}
