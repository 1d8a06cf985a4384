/** What the status bar shows of a snapshot: text, tooltip, colour, and where a click goes. */

import type { KeyInfo } from "@byokd/client";

import type { Place } from "../../../page/src/host.js";
import { words } from "../words.js";
import type { Snapshot } from "./overview.js";

export interface Summary {
  /** With VS Code's icons, such as `$(key)`. */
  text: string;
  /** Markdown without links, commands, HTML and icons. */
  tooltip: string;
  /** For screen readers. */
  spoken: string;
  tone: "plain" | "warning" | "error";
  /** Where the page opens; it decides by itself if undefined. */
  at: Place | undefined;
}

const ROWS_MAX = 12;

export function summaryOf(snapshot: Snapshot): Summary {
  const { title, icon, tone = "plain", at, line } = headOf(snapshot);
  return {
    text: `$(${icon}) ${title.replaceAll("$(", "$ (")}`,
    spoken: `${words.product}: ${line}`,
    tooltip: [`**${words.product}**: ${escaped(line)}`, rows(snapshot), words.status.click].filter(Boolean).join("\n\n"),
    tone,
    at,
  };
}

interface Head {
  title: string;
  icon: string;
  /** One sentence for the tooltip and for screen readers. */
  line: string;
  tone?: Summary["tone"];
  at?: Place;
}

function headOf({ daemon, vault, keys, names }: Snapshot): Head {
  const { status } = words;
  if (daemon === "notFound") return { title: status.setUp, icon: "key", line: status.notInstalled };
  if (daemon === "failed") return { title: words.product, icon: "error", line: status.failed, tone: "error" };
  if (!vault || vault.state === "checking") return { title: words.product, icon: "key", line: status.waiting };
  if (vault.state === "locked") return { title: status.locked, icon: "lock", line: status.lockedLine, at: { view: "vault" } };
  if (vault.state === "unavailable") {
    return { title: status.unavailable, icon: "warning", line: status.unavailableLine, tone: "warning", at: { view: "vault" } };
  }
  if (keys.length === 0) return { title: status.noKey, icon: "key", line: status.noKeyLine, at: { view: "addKey" } };
  const [first, ...others] = keys.filter(needsAttention);
  if (!first) return { title: status.keys(keys.length), icon: "key", line: status.keysLine(keys.length) };
  const title = others.length > 0 ? status.keys(others.length + 1) : status.keyOf(nameOf(first, names));
  const line = status.attention(others.length + 1);
  return { title, icon: "warning", line, tone: "warning", at: { view: "providers", provider: first.provider } };
}

/** A key that a person has to look at before it works again. */
export function needsAttention({ state, reason }: KeyInfo): boolean {
  return state === "softDisabled" || reason === "integrity";
}

/** Each key with its state, those that need attention first. */
function rows({ keys, names }: Snapshot): string {
  const rank = (key: KeyInfo) => (needsAttention(key) ? 0 : 1);
  const sorted = keys.toSorted((a, b) => rank(a) - rank(b) || nameOf(a, names).localeCompare(nameOf(b, names)));
  const shown = sorted.slice(0, ROWS_MAX).map((key) => `- ${escaped(words.status.row(nameOf(key, names), labelOf(key), stateOf(key)))}`);
  return [...shown, ...(keys.length > ROWS_MAX ? [`- ${words.status.more(keys.length - ROWS_MAX)}`] : [])].join("\n");
}

export const nameOf = (key: KeyInfo, names: Snapshot["names"]): string => names.get(key.provider) ?? key.provider;
export const labelOf = ({ label, last4 }: KeyInfo): string => label ?? (last4 ? `…${last4}` : words.status.noLabel);

export function stateOf({ state, reason }: KeyInfo): string {
  const { states } = words.status;
  return reason === "integrity" ? states.integrity : states[state];
}

/** Text as markdown shows it letter for letter, in one line. */
function escaped(text: string): string {
  return text.replace(/\s+/g, " ").replace(/[!-/:-@[-`{-~]/g, "\\$&");
}
