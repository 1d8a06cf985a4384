/** Numbers, times and addresses as people read them. */

import { words } from "./words.js";

const DAY_MS = 86_400_000;
const UNITS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ["day", DAY_MS],
  ["hour", 3_600_000],
  ["minute", 60_000],
];
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const EXACT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const SHORT_DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const SHORT_DAY_YEAR = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

export const exactTime = (at: number): string => EXACT.format(at);
export const clock = (at: number): string => CLOCK.format(at);

/** "3 hours ago"; a date from a month on. */
export function ago(at: number, now = Date.now()): string {
  const past = at - now;
  if (Math.abs(past) > 30 * DAY_MS) return SHORT_DAY_YEAR.format(at);
  for (const [unit, length] of UNITS) {
    if (Math.abs(past) >= length) return RELATIVE.format(Math.trunc(past / length), unit);
  }
  return words.time.justNow;
}

/** "28 Nov, 14:02". */
export const moment = (at: number): string => `${SHORT_DAY.format(at)}, ${clock(at)}`;

/** "Today", "Yesterday", or the day. */
export function day(at: number, now = Date.now()): string {
  const start = new Date(now).setHours(0, 0, 0, 0);
  if (at >= start) return words.time.today;
  return at >= start - DAY_MS ? words.time.yesterday : DAY.format(at);
}

/** "30 Nov", with the year if it is another one. */
export function shortDay(at: number, now = Date.now()): string {
  const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return (sameYear ? SHORT_DAY : SHORT_DAY_YEAR).format(at);
}

/** "131k", "1M". */
export function tokens(count: number | null): string {
  if (count === null) return words.unknown;
  if (count >= 1_000_000) return `${trimmed(count / 1_000_000)}M`;
  return count >= 1000 ? `${trimmed(count / 1000)}k` : String(count);
}

const trimmed = (value: number): string => value.toFixed(1).replace(/\.0$/, "");

/** A price without needless digits: "0.10", "3.00", "0.0375". */
export function price(amount: string): string {
  const [whole = "0", digits = ""] = amount.split(".");
  return `${whole}.${digits.replace(/0+$/, "").padEnd(2, "0")}`;
}

/** The host of an origin, without what everybody knows. */
export function hostOf(origin: string): string {
  return origin.replace(/^https?:\/\//, "").replace(/:443$/, "");
}

/** Return the address if a person may follow it: https, or http on this machine. */
export function safeUrl(url: string | null): string | undefined {
  if (!url || !URL.canParse(url)) return undefined;
  const { protocol, hostname } = new URL(url);
  const local = hostname === "localhost" || hostname === "127.0.0.1";
  return protocol === "https:" || (protocol === "http:" && local) ? url : undefined;
}

/** A sentence from one of the daemon's messages: capital letter, full stop. */
export function sentence(text: string): string {
  const trimmedText = text.trim();
  if (!trimmedText) return "";
  const first = trimmedText[0] as string;
  // a name such as `api.mistral.ai`, `key_…` or byokd keeps its spelling
  const isWord = /^(?!byokd\b)[a-z]+(?=[\s,:;]|$)/.test(trimmedText);
  const start = isWord ? first.toUpperCase() + trimmedText.slice(1) : trimmedText;
  return /[.!?…]$/.test(start) ? start : `${start}.`;
}

export const count = (number: number, one: string, many: string): string =>
  `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
