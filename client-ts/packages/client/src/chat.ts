/**
 * One chat: its events as they come, and its authoritative result.
 *
 * Reading slowly never holds up the connection. Events wait here, where adjacent deltas of one block
 * become one, so that what waits is never more than the answer itself.
 */

import { ProtocolError } from "./errors.js";
import {
  CHAT_EVENT_TYPES,
  type ChatEvent,
  type ChatEvents,
  type SendResult,
  type UnknownEvent,
} from "./generated.js";

const KNOWN: ReadonlySet<string> = new Set(CHAT_EVENT_TYPES);

/**
 * Iterate it for the events, await `result` for the answer, or do both.
 *
 * The iteration ends when the answer is there, and throws what `result` rejects with. Leaving the
 * loop early cancels the chat, as aborting its signal does: `result` then resolves with what there
 * was and the finish reason `cancelled`.
 */
export class Chat implements AsyncIterable<ChatEvent> {
  /** The authoritative answer. Rejects with `ByokdError`. */
  readonly result: Promise<SendResult>;

  readonly #stop = new AbortController();
  readonly #waiting: ChatEvent[] = [];
  #nextSeq = 0;
  #ended = false;
  #failure: { reason: unknown } | undefined;
  #wake: (() => void) | undefined;
  #taken = false;

  /** Made by `Client.chat`. `send` sends the request and resolves with its response. */
  constructor(
    readonly streamId: string,
    send: (signal: AbortSignal) => Promise<SendResult>,
    signal?: AbortSignal,
  ) {
    this.result = send(signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal);
    this.result.then(
      () => this.#end(),
      (reason: unknown) => this.#end({ reason }),
    );
  }

  /** Stop the chat. `result` resolves with what there was; does nothing after the end. */
  cancel(): void {
    this.#stop.abort();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ChatEvent, void, undefined> {
    if (this.#taken) throw new TypeError("a chat can be iterated once");
    this.#taken = true;
    try {
      for (;;) {
        const event = this.#waiting.shift();
        if (event) yield event;
        else if (this.#ended) break;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      if (this.#failure) throw this.#failure.reason;
    } finally {
      this.cancel();
    }
  }

  /** Take a notification's events. Called by the client, in the order of the wire. */
  deliver(batch: ChatEvents): void {
    if (this.#ended) return;
    if (batch.seq !== this.#nextSeq) {
      const text = `events of ${this.streamId} are missing: expected ${this.#nextSeq}, got ${batch.seq}`;
      this.#end({ reason: new ProtocolError(text) });
      this.cancel();
      return;
    }
    this.#nextSeq += batch.events.length;
    for (const event of batch.events) if (isKnown(event)) this.#push(event);
    this.#wake?.();
  }

  #push(event: ChatEvent): void {
    const last = this.#waiting.at(-1);
    const merged = last && merge(last, event);
    if (merged) this.#waiting[this.#waiting.length - 1] = merged;
    else this.#waiting.push(event);
  }

  #end(failure?: { reason: unknown }): void {
    if (!this.#ended) this.#failure = failure;
    this.#ended = true;
    this.#wake?.();
  }
}

function isKnown(event: ChatEvent | UnknownEvent): event is ChatEvent {
  return KNOWN.has(event.type);
}

/** Return one delta for two adjacent ones of the same block, as the daemon itself may send them. */
function merge(last: ChatEvent, next: ChatEvent): ChatEvent | undefined {
  if (last.type === "toolCallDelta" && next.type === last.type && next.callId === last.callId) {
    return { ...last, delta: last.delta + next.delta };
  }
  if (
    (last.type === "textDelta" || last.type === "reasoningDelta") &&
    next.type === last.type &&
    next.blockId === last.blockId
  ) {
    return { ...last, delta: last.delta + next.delta };
  }
  return undefined;
}
