/** A model of the daemon as VS Code shows it. */

import type { Effort, ModelInfo, ModelPrice } from "@byokd/client";
import type * as vscode from "vscode";

import { price as amount, shortDay, tokens } from "../../../page/src/format.js";
import { words } from "../words.js";
import { currencySign } from "./usage.js";

/** What to call with: sent back by VS Code with each request, as the object that it was given. */
export interface Target {
  readonly provider: string;
  readonly model: string;
  /** A key that is not the provider's default; null for the default. */
  readonly keyId: string | null;
}

/**
 * The information of one model. The fields after `target` are not in VS Code's stable types; versions
 * that do not know one ignore it.
 */
export interface ByokdModel extends vscode.LanguageModelChatInformation {
  readonly target: Target;
  readonly isUserSelectable: true;
  readonly isBYOK: true;
  readonly maxContextWindowTokens: number;
  readonly pricing?: string;
  readonly statusIcon?: vscode.ThemeIcon;
  readonly warningText?: { readonly [id: string]: string };
  readonly configurationSchema?: ConfigurationSchema;
}

interface ConfigurationSchema {
  readonly properties: { readonly reasoningEffort: EffortChoice };
}

interface EffortChoice {
  readonly type: "string";
  readonly title: string;
  /** VS Code shows this property as the thinking effort, in the model picker itself. */
  readonly group: "navigation";
  readonly enum: readonly string[];
  readonly enumItemLabels: readonly string[];
  readonly enumDescriptions: readonly string[];
  readonly default: string;
}

/** What the names in the list are made of. */
export interface Names {
  /** Names of providers by id. */
  readonly providers: ReadonlyMap<string, string>;
  /** Labels of keys by id. */
  readonly keys: ReadonlyMap<string, string>;
  readonly warningIcon: vscode.ThemeIcon;
}

/**
 * What is assumed where neither the provider nor the catalog names a context. Most hosted models
 * take as much; one that takes less refuses a longer conversation, and the error says so.
 */
export const ASSUMED_CONTEXT_TOKENS = 128_000;

/**
 * Stands in VS Code's list while there is no key: it shows in the picker how to begin, and without any model
 * VS Code answers "Language model unavailable" to people who are not signed in, also for `@byokd`.
 */
export const NO_KEY: ByokdModel = {
  id: "no-key",
  name: words.models.noKeyName,
  family: "byokd",
  version: "1",
  detail: words.models.noKeyDetail,
  tooltip: words.models.noKeyTooltip,
  maxInputTokens: ASSUMED_CONTEXT_TOKENS,
  maxOutputTokens: 1,
  maxContextWindowTokens: ASSUMED_CONTEXT_TOKENS,
  capabilities: { imageInput: true, toolCalling: true },
  target: { provider: "", model: "", keyId: null },
  isUserSelectable: true,
  isBYOK: true,
};

/** The choice that sends no effort: the provider's own default. */
export const DEFAULT_EFFORT = "default";

const ASSUMED_OUTPUT_MAX_TOKENS = 16_384;
const END_IS_NEAR_MS = 90 * 86_400_000;

/** The models that can chat, as VS Code's list. */
export function modelsOf(models: readonly ModelInfo[], names: Names, now: number): ByokdModel[] {
  const shown = models.filter(({ chat, retired }) => chat !== false && retired !== true);
  const seen = new Map<string, number>();
  for (const model of shown) seen.set(nameKey(model), (seen.get(nameKey(model)) ?? 0) + 1);
  // A dated version has the name of the model that it is a version of: only the id tells them apart.
  return shown.map((model) => informationOf(model, seen.get(nameKey(model)) === 1 ? (model.name ?? model.id) : model.id, names, now));
}

const nameKey = ({ provider, keyId, name, id }: ModelInfo): string => JSON.stringify([provider, keyId, name ?? id]);

function informationOf(model: ModelInfo, name: string, names: Names, now: number): ByokdModel {
  const { context, input, output } = limitsOf(model);
  const warnings = warningsOf(model, now);
  const efforts = model.efforts?.filter((effort) => effort in words.models.efforts) ?? [];
  const pricing = model.price ? priceLine(model.price) : undefined;
  return {
    id: model.keyId === null ? `${model.provider}/${model.id}` : `${model.provider}/${model.id}#${model.keyId}`,
    name,
    family: familyOf(model.id),
    version: model.id,
    maxInputTokens: input,
    maxOutputTokens: output,
    maxContextWindowTokens: context,
    capabilities: { imageInput: model.inputModalities?.includes("image") ?? false, toolCalling: model.tools ?? true },
    detail: detailOf(model, names, now),
    tooltip: tooltipOf(model, names, now),
    target: { provider: model.provider, model: model.id, keyId: model.keyId },
    isUserSelectable: true,
    isBYOK: true,
    ...(pricing !== undefined && { pricing }),
    ...(model.unavailable && { statusIcon: names.warningIcon }),
    ...(warnings.length > 0 && { warningText: Object.fromEntries(warnings.map((text, index) => [`byokd${index}`, text])) }),
    ...(efforts.length > 1 && { configurationSchema: { properties: { reasoningEffort: effortChoice(efforts) } } }),
  };
}

/**
 * How the context is divided, in tokens. Models whose output may fill the whole context leave no room
 * for a question by their own numbers; a quarter is kept for the answer then.
 */
export function limitsOf({ contextTokens, outputTokens }: Pick<ModelInfo, "contextTokens" | "outputTokens">): {
  context: number;
  input: number;
  output: number;
} {
  const context = contextTokens ?? Math.max(ASSUMED_CONTEXT_TOKENS, outputTokens ?? 0);
  const quarter = Math.floor(context / 4);
  const stated = outputTokens ?? Math.min(quarter, ASSUMED_OUTPUT_MAX_TOKENS);
  const output = stated > context / 2 ? quarter : stated;
  return { context, input: context - output, output };
}

/** The letters that an id begins with, after the path of a gateway: "claude-sonnet" of "anthropic/claude-sonnet-4-5". */
export function familyOf(id: string): string {
  const name = id.split("/").at(-1) ?? id;
  return /^[a-z]+(?:-[a-z]+)*(?![a-z0-9])/i.exec(name)?.[0].toLowerCase() ?? name.toLowerCase();
}

/** One short line beside the name: whose model it is, its price, and what is wrong with it. */
function detailOf(model: ModelInfo, names: Names, now: number): string {
  const { price, unavailable } = model;
  const parts = [providerOf(model, names)];
  if (unavailable) parts.push(unavailableWords(unavailable.kind).short);
  else if (price?.input && price.output) parts.push(words.models.shortPrice(shortMoney(price.currency, price.input), shortMoney(price.currency, price.output)));
  if (model.endsAt !== null && model.endsAt - now < END_IS_NEAR_MS) parts.push(words.models.ends(shortDay(model.endsAt, now)));
  return parts.join(" · ");
}

/** Markdown: all that is known of the model, a paragraph per fact. */
function tooltipOf(model: ModelInfo, names: Names, now: number): string {
  const { contextTokens, outputTokens, price, endsAt, efforts, inputModalities, tools } = model;
  const facts = [
    `**${escaped(model.id)}** · ${escaped(providerOf(model, names))}`,
    model.unavailable && unavailableWords(model.unavailable.kind).whatToDo,
    contextTokens === null ? words.models.contextAssumed(tokens(ASSUMED_CONTEXT_TOKENS)) : words.models.context(tokens(contextTokens)),
    outputTokens !== null && words.models.output(tokens(outputTokens)),
    price ? words.models.price(priceLine(price), price.asOf) : words.models.priceUnknown,
    inputModalities !== null && words.models.inputs(inputModalities.map(escaped).join(", ")),
    tools === null && words.models.toolsUnknown,
    efforts !== null && efforts.length > 0 && words.models.effortsTaken(efforts.map(escaped).join(", ")),
    endsAt !== null && words.models.endsSentence(shortDay(endsAt, now)),
    endsAt === null && model.deprecated === true && words.models.deprecated,
  ];
  return facts.filter(Boolean).join("\n\n");
}

function warningsOf({ unavailable, endsAt }: ModelInfo, now: number): string[] {
  const warnings = unavailable ? [unavailableWords(unavailable.kind).whatToDo] : [];
  if (endsAt !== null && endsAt - now < END_IS_NEAR_MS) warnings.push(words.models.endsSentence(shortDay(endsAt, now)));
  return warnings;
}

function providerOf({ provider, keyId }: ModelInfo, { providers, keys }: Names): string {
  const name = providers.get(provider) ?? provider;
  return keyId === null ? name : `${name} (${keys.get(keyId) ?? words.models.otherKey})`;
}

/** What a model that cannot be used now says, by the kind of error that a call would get. */
function unavailableWords(kind: string): { short: string; whatToDo: string } {
  const known: { readonly [kind: string]: { short: string; whatToDo: string } } = words.models.unavailable;
  return known[kind] ?? words.models.unavailableOtherwise;
}

/** "$3.00 in, $15.00 out, $0.30 cached, per million tokens". */
export function priceLine({ currency, input, output, cacheRead }: ModelPrice): string {
  const { unknownAmount, priceIn, priceOut, priceCached, perMillion } = words.models;
  const show = (value: string | null) => (value === null ? unknownAmount : money(currency, value));
  const parts = [priceIn(show(input)), priceOut(show(output))];
  if (cacheRead !== null) parts.push(priceCached(money(currency, cacheRead)));
  return `${parts.join(", ")} ${perMillion}`;
}

/** "$3.00". */
const money = (currency: string, value: string): string => currencySign(currency) + amount(value);

/** "$3": the picker cuts the name of a model where the line beside it is long. */
const shortMoney = (currency: string, value: string): string => money(currency, value).replace(/\.00$/, "");

function effortChoice(efforts: readonly string[]): EffortChoice {
  const values = [DEFAULT_EFFORT, ...efforts];
  const labels: { readonly [effort: string]: { label: string; description: string } } = words.models.efforts;
  return {
    type: "string",
    title: words.models.effortTitle,
    group: "navigation",
    enum: values,
    enumItemLabels: values.map((value) => labels[value]?.label ?? value),
    enumDescriptions: values.map((value) => labels[value]?.description ?? ""),
    default: DEFAULT_EFFORT,
  };
}

export function isEffort(value: unknown): value is Effort {
  return typeof value === "string" && value !== DEFAULT_EFFORT && value in words.models.efforts;
}

/** Names of models come from outside: nothing in them is a link, an icon or HTML. */
function escaped(text: string): string {
  return text.replaceAll(/[\\`*[\]<>~|]/g, "\\$&").replaceAll("$(", "$\u200b(");
}
