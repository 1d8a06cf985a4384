/**
 * The parts that VS Code and its models exchange, and what VS Code sends beside its stable API.
 *
 * The classes are handed in, so that what uses them needs no VS Code.
 */

import type * as vscode from "vscode";

/** A thought. VS Code has the class since 1.104, outside of its stable types. */
export interface ThinkingPart {
  value: string | string[];
  id?: string | undefined;
  metadata?: { readonly [name: string]: unknown } | undefined;
}

/** The classes of `vscode`. Without `LanguageModelThinkingPart` thoughts are not shown. */
export interface PartClasses {
  LanguageModelTextPart: new (value: string) => vscode.LanguageModelTextPart;
  LanguageModelToolCallPart: new (callId: string, name: string, input: object) => vscode.LanguageModelToolCallPart;
  LanguageModelToolResultPart: new (callId: string, content: unknown[]) => vscode.LanguageModelToolResultPart;
  LanguageModelPromptTsxPart: new (value: unknown) => vscode.LanguageModelPromptTsxPart;
  LanguageModelDataPart: new (data: Uint8Array, mimeType: string) => vscode.LanguageModelDataPart;
  LanguageModelThinkingPart?: new (
    value: string,
    id?: string,
    metadata?: { readonly [name: string]: unknown },
  ) => ThinkingPart;
}

export type ResponsePart = vscode.LanguageModelResponsePart | ThinkingPart;

/** The roles of messages as VS Code numbers them. `system` is not in its stable types. */
export const ROLES = { user: 1, assistant: 2, system: 3 } as const;

/** `LanguageModelChatToolMode.Required`. */
export const TOOLS_REQUIRED = 2;

/** One message of a request. VS Code's own main process sends plain text as `content`, too. */
export interface GivenMessage {
  readonly role: number;
  readonly content: string | readonly unknown[];
}

/** The options of a request, with those that are not in the stable types. */
export interface RequestOptions {
  readonly tools?: readonly vscode.LanguageModelChatTool[] | undefined;
  readonly toolMode?: number;
  readonly modelOptions?: { readonly [name: string]: unknown } | undefined;
  /** What the person chose for this model: the values of `configurationSchema`. */
  readonly modelConfiguration?: { readonly [name: string]: unknown } | undefined;
  /** The id of the extension that asks, or `core`. */
  readonly requestInitiator?: string | undefined;
}

/** Types of data that VS Code's chat attaches for itself, and no model is meant to read. */
export const INTERNAL_DATA: ReadonlySet<string> = new Set([
  "cache_control",
  "context_management",
  "phase_data",
  "stateful_marker",
  "thinking",
  "usage",
]);

export const MARKER_TYPE = "stateful_marker";
export const USAGE_TYPE = "usage";
