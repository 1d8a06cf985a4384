/**
 * One chat: its events in order, and its result.
 *
 * A slow reader does not block the connection: events are queued here. Adjacent deltas of one block
 * are merged, so that the queue is never larger than the answer.
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
 * A running chat: iterate it for the events, await `result` for the answer, or do both.
 *
 * The iteration ends when the answer is complete, and throws the error that `result` rejects with.
 * Leaving the loop early cancels the chat, and so does aborting its signal: `result` then resolves
 * with the partial message and the finish reason `cancelled`.
 */
export class Chat implements AsyncIterable<ChatEvent> {
  /**
   * The complete answer. Rejects with an error of `errors.ts`, or with the reason of a signal that was
   * aborted before the request was sent.
   */
  readonly result: Promise<SendResult>;

  readonly #stop = new AbortController();
  readonly #queue: ChatEvent[] = [];
  #nextSeq = 0;
  #ended = false;
  #failure: { reason: unknown } | undefined;
  #wake: (() => void) | undefined;
  #iterated = false;

  /** Called by `Client.chat`. `send` sends the request and resolves with its response. */
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

  /** Cancel the chat: `result` resolves with the partial message. Does nothing after the end. */
  cancel(): void {
    this.#stop.abort();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ChatEvent, void, undefined> {
    if (this.#iterated) throw new TypeError("a chat can be iterated once only: collect its events in the first loop");
    this.#iterated = true;
    try {
      for (;;) {
        const event = this.#queue.shift();
        if (event) yield event;
        else if (this.#ended) break;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      if (this.#failure) throw this.#failure.reason;
    } finally {
      this.cancel();
    }
  }

  /** Add the events of one notification. The client calls it in the order of the notifications. */
  deliver(batch: ChatEvents): void {
    if (this.#ended) return;
    if (batch.seq !== this.#nextSeq) {
      const message = `events of ${this.streamId} are missing: expected ${this.#nextSeq}, got ${batch.seq}`;
      this.#end({ reason: new ProtocolError(message) });
      this.cancel();
      return;
    }
    this.#nextSeq += batch.events.length;
    for (const event of batch.events) if (isKnown(event)) this.#push(event);
    this.#wake?.();
  }

  #push(event: ChatEvent): void {
    const last = this.#queue.at(-1);
    const merged = last && merge(last, event);
    if (merged) this.#queue[this.#queue.length - 1] = merged;
    else this.#queue.push(event);
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

/** Merge two adjacent deltas of the same block or call; undefined for any other two events. */
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
