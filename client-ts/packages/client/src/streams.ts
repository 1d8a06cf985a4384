/**
 * Limits the chats that run at the same time to what the daemon allows; the others wait here.
 *
 * Those who wait are served in turn by requester (`_meta.client` of the chat), and each requester in
 * order, so that a program with many chats does not delay another one with a single chat.
 */

interface Waiter {
  start(): void;
}

/** How many chats run and how many wait. */
export interface StreamCounts {
  running: number;
  queued: number;
}

/** Runs tasks, at most `limit()` at the same time. */
export class StreamQueue {
  readonly #limit: () => number;
  readonly #waiting = new Map<string, Waiter[]>(); // by requester, the next one first
  #running = 0;

  constructor(limit: () => number) {
    this.#limit = limit;
  }

  get counts(): StreamCounts {
    const queued = [...this.#waiting.values()].reduce((sum, waiters) => sum + waiters.length, 0);
    return { running: this.#running, queued };
  }

  /** Run `task` when it is its turn. Rejects with the reason of `signal` if that is aborted before. */
  async run<T>(requester: string, signal: AbortSignal | undefined, task: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    if (this.#running < this.#limit()) this.#running += 1;
    else await this.#turn(requester, signal);
    try {
      return await task();
    } finally {
      this.#running -= 1;
      this.#startNext();
    }
  }

  #turn(requester: string, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#remove(requester, waiter);
        reject(signal?.reason);
      };
      const waiter: Waiter = {
        start: () => {
          signal?.removeEventListener("abort", abort);
          resolve();
        },
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#waiting.set(requester, [...(this.#waiting.get(requester) ?? []), waiter]);
    });
  }

  #remove(requester: string, waiter: Waiter): void {
    const left = (this.#waiting.get(requester) ?? []).filter((other) => other !== waiter);
    if (left.length > 0) this.#waiting.set(requester, left);
    else this.#waiting.delete(requester);
  }

  #startNext(): void {
    while (this.#running < this.#limit()) {
      const [turn] = this.#waiting;
      if (!turn) return;
      const [requester, [waiter, ...rest]] = turn;
      this.#waiting.delete(requester);
      if (rest.length > 0) this.#waiting.set(requester, rest); // behind all other requesters
      this.#running += 1;
      waiter?.start();
    }
  }
}
