/** What a person can do about an error. */

import { ACTION_TYPES, type Action, type UnknownAction } from "./generated.js";

const KNOWN: ReadonlySet<string> = new Set(ACTION_TYPES);

/** Tell whether an action is one of this version, so that `switch (action.type)` gives its fields. */
export function isKnownAction(action: Action | UnknownAction | null | undefined): action is Action {
  return action != null && KNOWN.has(action.type);
}
