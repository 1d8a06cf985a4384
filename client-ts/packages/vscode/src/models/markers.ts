/**
 * Markers: text that VS Code's chat stores with an answer and sends back with it.
 *
 * A marker names the answer, and holds it in compressed form unless it is too large.
 */

import { constants, deflateRawSync, inflateRawSync } from "node:zlib";

import type { Answer } from "@byokd/client";

import type { KeptAnswer } from "./states.js";

const FORM = /^byokd1\.([0-9a-f]{16})(?:\.([\w-]+))?$/;
/** VS Code writes a marker into its file of the conversation each time that is saved. */
const MARKER_MAX_CHARS = 64 * 1024;
const JSON_MAX_CHARS = 512 * 1024;
const ANSWER_MAX_BYTES = 4 * 1024 * 1024;
const PART_TYPES: ReadonlySet<unknown> = new Set(["text", "image", "file", "reasoning", "toolCall", "citation"]);

/** Letters, digits, `.`, `-` and `_`: VS Code splits what it stores at backslashes. */
export function encodeMarker(id: string, answer: KeptAnswer): string {
  const json = JSON.stringify(answer);
  const short = `byokd1.${id}`;
  if (json.length > JSON_MAX_CHARS) return short; // such as an image
  const packed = deflateRawSync(json, { level: constants.Z_BEST_SPEED }).toString("base64url");
  const marker = `${short}.${packed}`;
  return marker.length <= MARKER_MAX_CHARS ? marker : short;
}

/** The id of the answer, or undefined for a marker of another extension. */
export function idOfMarker(marker: string): string | undefined {
  return FORM.exec(marker)?.[1];
}

/** The answer in a marker; undefined if there is none, or if it is damaged. */
export function answerOfMarker(marker: string): KeptAnswer | undefined {
  const packed = FORM.exec(marker)?.[2];
  if (packed === undefined) return undefined;
  try {
    const json = inflateRawSync(Buffer.from(packed, "base64url"), { maxOutputLength: ANSWER_MAX_BYTES });
    const value: unknown = JSON.parse(json.toString("utf8"));
    return isKeptAnswer(value) ? value : undefined;
  } catch {
    return undefined; // not compressed data, or not JSON
  }
}

/** The daemon checks the fields of the parts; this checks what is read here. */
function isKeptAnswer(value: unknown): value is KeptAnswer {
  if (!isObject(value) || typeof value["addedText"] !== "string" || !isAnswer(value["message"])) return false;
  const { callIds } = value;
  return Array.isArray(callIds) && callIds.every((id: unknown) => typeof id === "string");
}

function isAnswer(value: unknown): value is Answer {
  return (
    isObject(value) &&
    value["role"] === "assistant" &&
    Array.isArray(value["content"]) &&
    value["content"].every((part: unknown) => isObject(part) && PART_TYPES.has(part["type"]))
  );
}

function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null;
}
