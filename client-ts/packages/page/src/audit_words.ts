/** Sentences for the entries of the audit log. */

import type { JsonObject } from "../../client/src/generated.js";
import { exactTime } from "./format.js";
import { words } from "./words.js";

/** What a sentence can name: "Mistral key work". */
export interface Subject {
  key: string;
  details: JsonObject;
}

type Sentence = (subject: Subject) => string;

const protection = (value: unknown): string =>
  typeof value === "string" ? (words.vault.protections[value] ?? value).toLowerCase() : "another protection";

const times = (value: unknown): string => (value === 1 ? "once" : `${String(value)} times`);

const SENTENCES: Record<string, Sentence> = {
  "store.created": ({ details }) => `The vault was created, protected by ${protection(details["protection"])}`,
  "store.unlocked": () => "The vault was unlocked",
  "store.locked": () => "The vault was locked",
  "store.rollback_detected": () => "The store is older than when it was last used here",
  "store.rollback_accepted": () => "An older store was accepted",
  "store.integrity_failed": () => "The store was changed from outside",
  "store.protection_changed": ({ details }) =>
    `The protection was changed from ${protection(details["from"])} to ${protection(details["to"])}`,
  "store.rekeyed": () => "The keys inside the vault were renewed",
  "slot.added": ({ details }) => `${capital(protection(details["protection"]))} can open the vault now`,
  "slot.removed": ({ details }) => `${capital(protection(details["protection"]))} no longer opens the vault`,
  "key.created": ({ key }) => `${key} was stored`,
  "key.rotated": ({ key }) => `${key} was updated`,
  "key.origin_accepted": ({ key }) => `${key} is used at its provider's new address`,
  "key.soft_disabled": ({ key, details }) =>
    `${key} was rejected ${details["rejections"] == null ? "repeatedly" : times(details["rejections"])} and taken out of use`,
  "key.user_disabled": ({ key }) => `${key} was disabled by you`,
  "key.reenabled": ({ key }) => `${key} was re-enabled`,
  "key.deleted": ({ key }) => `${key} was deleted`,
  "key.exported": ({ key }) => `${key} was exported`,
  "key.default_set": ({ key }) => `${key} became the default`,
  "key.label_set": ({ key }) => `${key} got another label`,
  "key.probe": ({ key, details }) => `${key} was checked: ${verdict(details["verdict"])}`,
  "key.use": ({ key, details }) => `${key} was used${details["uses"] == null ? "" : ` ${times(details["uses"])}`}`,
  "account.deleted": () => "The account and its keys were deleted",
  "catalog.refreshed": ({ details }) => `The catalog was refreshed${details["to"] ? ` to ${String(details["to"])}` : ""}`,
  "catalog.undone": () => "The refresh of the catalog was undone",
  "session.opened": () => "A session began",
  "session.closed": () => "A session ended",
  "clock.regressed": () => "The clock was set back",
};

const VERDICTS: Record<string, string> = {
  valid: "accepted",
  validRestricted: "accepted, with restrictions",
  noFunds: "accepted, no money left",
  rateLimited: "asked to slow down",
  invalid: "not accepted",
  wrongProvider: "a key of another provider",
  wrongRegion: "another region",
  unreachable: "no answer",
  unknown: "unclear answer",
};

/** Events that most people do not look for. */
export const QUIET = new Set(["session.opened", "session.closed", "key.use", "store.unlocked", "store.locked"]);

export const sentenceOf = (event: string, subject: Subject): string =>
  (SENTENCES[event] ?? (() => `${event} (${subject.key})`))(subject);

const verdict = (value: unknown): string => (typeof value === "string" ? (VERDICTS[value] ?? value) : "no answer");

const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);

/** A detail as text; times are written out. */
export function detailText(name: string, value: unknown): string {
  if (name.endsWith("At") && typeof value === "number") return exactTime(value);
  return value === null ? words.unknown : typeof value === "object" ? JSON.stringify(value) : String(value);
}
