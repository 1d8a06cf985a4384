/** The params of a chat, from what VS Code asks. */

import type { ChatParams, Effort, JsonObject, Message, Tool } from "@byokd/client";

import { isEffort, type Target } from "./information.js";
import { asJson } from "./messages.js";
import { TOOLS_REQUIRED, type RequestOptions } from "./vscode_parts.js";

const REQUESTER_MAX_CHARS = 128;

/** Names that callers use for a parameter of `chat/send`. Other options are raw fields of the provider. */
const NAMES = {
  temperature: "temperature",
  top_p: "topP",
  topP: "topP",
  max_tokens: "maxOutputTokens",
  max_output_tokens: "maxOutputTokens",
  max_completion_tokens: "maxOutputTokens",
  maxTokens: "maxOutputTokens",
  maxOutputTokens: "maxOutputTokens",
  seed: "seed",
} as const;

type Sampling = Partial<Record<(typeof NAMES)[keyof typeof NAMES], number>>;

/** `effort` is the person's setting for all models; a choice for this model comes before it. */
export function chatParams(
  { provider, model, keyId }: Target,
  messages: readonly Message[],
  options: RequestOptions,
  effort: Effort | undefined,
): ChatParams {
  const tools = (options.tools ?? []).map(toolOf);
  const chosen = options.modelConfiguration?.["reasoningEffort"];
  const wanted = isEffort(chosen) ? chosen : effort;
  const requester = requesterOf(options.requestInitiator);
  const { sampling, raw } = modelOptions(options.modelOptions ?? {});
  return {
    provider,
    model,
    messages,
    ...(keyId !== null && { keyId }),
    ...(tools.length > 0 && { tools, toolChoice: options.toolMode === TOOLS_REQUIRED ? "required" : "auto" }),
    ...(wanted && { reasoning: { effort: wanted } }),
    ...sampling,
    ...(Object.keys(raw).length > 0 && { providerOptions: raw }),
    ...(requester && { _meta: { client: requester } }),
  };
}

/** Who asked, in the printable characters that the daemon takes. */
export function requesterOf(initiator: string | undefined): string | undefined {
  const printable = initiator?.replaceAll(/[^\x20-\x7e]/g, "").trim().slice(0, REQUESTER_MAX_CHARS);
  return printable || undefined;
}

function toolOf({ name, description, inputSchema }: { name: string; description: string; inputSchema?: object | undefined }): Tool {
  const schema = asJson(inputSchema);
  const isSchema = typeof schema === "object" && schema !== null && !Array.isArray(schema);
  return { name, description, inputSchema: isSchema ? (schema as JsonObject) : { type: "object", properties: {} } };
}

/** Options whose names begin with `_` are VS Code's own and go to no provider. */
function modelOptions(options: { readonly [name: string]: unknown }): { sampling: Sampling; raw: JsonObject } {
  const sampling: Sampling = {};
  const raw: { [name: string]: JsonObject[string] } = {};
  for (const [name, value] of Object.entries(options)) {
    if (name.startsWith("_") || value === undefined || value === null) continue;
    const parameter = isParameter(name) ? NAMES[name] : undefined;
    if (parameter && typeof value === "number") sampling[parameter] = value;
    else raw[name] = asJson(value);
  }
  return { sampling, raw };
}

const isParameter = (name: string): name is keyof typeof NAMES => Object.hasOwn(NAMES, name);
