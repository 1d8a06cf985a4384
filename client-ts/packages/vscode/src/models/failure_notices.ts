/** A button for a failed chat: VS Code's chat shows the sentence of an error, and no button. */

import type { Remedy } from "../daemon/unavailable.js";
import type { Failure } from "./failures.js";

/** The same button is not offered again within this time, however many requests fail. */
const QUIET_MS = 60_000;

/** Offers what mends a failure; `offer` shows a notification. */
export class FailureNotices {
  readonly #offer: (text: string, remedy: Remedy) => void;
  readonly #offered = new Map<string, number>();

  constructor(offer: (text: string, remedy: Remedy) => void) {
    this.#offer = offer;
  }

  show({ textBesideButton, remedy }: Failure, now = Date.now()): void {
    if (!remedy) return;
    const key = JSON.stringify([remedy.command, remedy.arguments]);
    for (const [other, at] of this.#offered) if (now - at >= QUIET_MS) this.#offered.delete(other);
    if (this.#offered.has(key)) return;
    this.#offered.set(key, now);
    this.#offer(textBesideButton, remedy);
  }
}
