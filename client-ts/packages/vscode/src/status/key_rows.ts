/** What the Keys view of the activity bar shows: a row for each key, by the name of its provider. */

import type { KeyInfo } from "@byokd/client";

import type { Place } from "../../../page/src/host.js";
import { words } from "../words.js";
import type { Snapshot } from "./overview.js";
import { labelOf, nameOf, needsAttention, stateOf } from "./summary.js";

export interface KeyRow {
  keyId: string;
  title: string;
  /** Follows the title in a quieter colour. */
  description: string;
  tooltip: string;
  /** A codicon. */
  icon: string;
  /** A colour of the theme for the icon. */
  colour: string | undefined;
  at: Place;
}

export function rowsOf({ keys, names }: Snapshot): KeyRow[] {
  return keys.map((key) => rowOf(key, names)).toSorted((a, b) => a.title.localeCompare(b.title) || a.description.localeCompare(b.description));
}

export function attentionOf({ keys }: Snapshot): number {
  return keys.filter(needsAttention).length;
}

function rowOf(key: KeyInfo, names: Snapshot["names"]): KeyRow {
  const title = nameOf(key, names);
  const state = stateOf(key);
  const parts = [labelOf(key), key.state === "active" ? undefined : state];
  const lines = [`${title}: ${labelOf(key)}`, state, key.isDefault ? words.keysView.defaultKey : undefined, key.origin];
  return {
    keyId: key.keyId,
    title,
    description: parts.filter(Boolean).join(", "),
    tooltip: lines.filter(Boolean).join("\n"),
    ...markOf(key),
    at: { view: "providers", provider: key.provider },
  };
}

function markOf(key: KeyInfo): Pick<KeyRow, "icon" | "colour"> {
  if (needsAttention(key)) return { icon: "warning", colour: "list.warningForeground" };
  return key.state === "userDisabled" ? { icon: "circle-slash", colour: "disabledForeground" } : { icon: "key", colour: undefined };
}
