/** Tokens and cost of an answer, in words. */

import type { Cost, Usage } from "@byokd/client";

import { tokens } from "../../../page/src/format.js";
import { words } from "../words.js";

/** "1.2k tokens in (1k from the cache), 56 out"; unknown counts are "?". */
export function usageWords(usage: Usage | null): string {
  if (!usage) return words.usage.unknownUsage;
  const { inputFresh, inputCacheRead, inputCacheWrite, outputText, outputReasoning } = usage;
  const input = inputFresh === null ? words.models.unknownAmount : tokens(inputFresh + inputCacheRead + inputCacheWrite);
  const output = outputText === null ? words.models.unknownAmount : tokens(outputText + outputReasoning);
  return words.usage.tokens(input, inputCacheRead > 0 ? tokens(inputCacheRead) : undefined, output);
}

/** "$0.0123", rounded to what a person can tell apart; an unknown cost is said to be so. */
export function costWords({ amount, currency }: Cost): string {
  if (amount === null) return words.usage.unknownCost;
  const value = Number(amount);
  const sign = currencySign(currency);
  if (value > 0 && value < 0.0001) return words.usage.lessThan(`${sign}0.0001`);
  return sign + value.toFixed(value < 0.1 ? 4 : 2);
}

/** "$", or "CNY " for a currency without a sign of its own. */
export function currencySign(currency: string): string {
  return { USD: "$", EUR: "€", GBP: "£" }[currency] ?? `${currency} `;
}
