/**
 * Starts another daemon when one ends that nobody closed, with growing delays, until it ended too
 * often.
 */

import type { Exit } from "./daemon.js";
import { ConnectionClosed, DaemonCrashed, StartError } from "./errors.js";
import type { ServerOptions } from "./generated.js";
import type { Session } from "./session.js";
import { orAborted, pause } from "./waiting.js";

/** When to start the daemon again. */
export interface RestartOptions {
  /** It is not started again after this many ends within `windowMs`. Default: 5. */
  maxCrashes?: number;
  /** How long an end counts. Default: 180,000 ms. */
  windowMs?: number;
  /** How long to wait after the given number of ends. Default: 250 ms, doubled each time, at most 10 s. */
  delayMs?: (crashes: number) => number;
}

/** What the client is doing; see `Client.onState`. */
export type ClientState =
  /** A daemon answers. */
  | { type: "running"; server: ServerOptions }
  /** The daemon ended with `error`; another one is started after `delayMs`. Calls wait for it. */
  | { type: "restarting"; crashes: number; delayMs: number; error: Error }
  /** The daemon ended too often. Calls are rejected with `error` until `Client.restart`. */
  | { type: "failed"; error: DaemonCrashed }
  /** The client was closed, or a daemon that is not restarted has ended. This is final. */
  | { type: "closed"; exit: Exit | undefined };

const MAX_CRASHES = 5;
const WINDOW_MS = 180_000;
const DELAY_MS = 250;
const DELAY_MAX_MS = 10_000;

/** Gives the session that runs at the moment. */
export class Supervisor {
  /** Resolves when no other session will come. */
  readonly closed: Promise<Exit | undefined>;

  readonly #start: ((signal: AbortSignal) => Promise<Session>) | undefined;
  readonly #options: RestartOptions | undefined;
  readonly #onState: (state: ClientState) => void;
  readonly #stop = new AbortController();
  #crashTimes: number[] = [];
  #isRequested = false; // by `restart`
  #state: ClientState;
  #session: Session;
  #wake = new AbortController(); // ends a delay, and the wait of a failed client
  #changed = signalled();

  /** Without `options` the end of the first session is final. `start` starts another one. */
  constructor(
    session: Session,
    onState: (state: ClientState) => void,
    start?: (signal: AbortSignal) => Promise<Session>,
    options?: RestartOptions,
  ) {
    this.#session = session;
    this.#onState = onState;
    this.#start = start;
    this.#options = options;
    this.#state = { type: "running", server: session.server };
    this.closed = this.#run();
  }

  get state(): ClientState {
    return this.#state;
  }

  get server(): ServerOptions {
    return this.#session.server;
  }

  /** The version of that daemon. */
  get version(): string | null {
    return this.#session.version;
  }

  get pid(): number | undefined {
    return this.#state.type === "running" ? this.#session.pid : undefined;
  }

  /** Return the session that runs; wait for it during a restart. */
  async session(signal?: AbortSignal): Promise<Session> {
    signal?.throwIfAborted();
    for (;;) {
      const state = this.#state;
      if (state.type === "running") return this.#session;
      if (state.type === "failed") throw state.error;
      if (state.type === "closed") throw new ConnectionClosed(state.exit);
      await orAborted(this.#changed.promise, signal);
    }
  }

  /** End the daemon and start another one, also after it crashed too often. */
  async restart(signal?: AbortSignal): Promise<void> {
    if (!this.#start) throw new TypeError("a client of `Client.connect` has nothing to restart");
    if (this.#state.type === "closed") throw new ConnectionClosed(this.#state.exit);
    this.#isRequested = true;
    this.#wake.abort();
    if (this.#state.type === "running") await this.#session.close();
    else if (this.#state.type === "failed") await orAborted(this.#changed.promise, signal);
    await this.session(signal);
  }

  /** End the daemon for good. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake.abort();
    if (this.#state.type === "running") await this.#session.close();
    await this.closed;
  }

  async #run(): Promise<Exit | undefined> {
    for (;;) {
      const exit = await this.#session.closed;
      const next = await this.#next(exit);
      if (!next) {
        this.#set({ type: "closed", exit });
        return exit;
      }
      this.#session = next;
      this.#set({ type: "running", server: next.server });
    }
  }

  /** Start another session; return undefined if there is to be none. */
  async #next(exit: Exit | undefined): Promise<Session | undefined> {
    let error: Error = new ConnectionClosed(exit);
    for (;;) {
      if (!this.#start || this.#stop.signal.aborted) return undefined;
      if (!this.#isRequested) {
        if (!this.#options) return undefined;
        await this.#wait(error, this.#options);
        if (this.#stop.signal.aborted) return undefined;
      }
      if (this.#state.type !== "restarting") this.#set({ type: "restarting", crashes: 0, delayMs: 0, error });
      try {
        const session = await this.#start(this.#stop.signal);
        if (!this.#stop.signal.aborted) return session;
        await session.close();
      } catch (reason) {
        error = reason instanceof Error ? reason : new Error(String(reason));
      } finally {
        this.#isRequested = false; // also what was requested during the start
        this.#wake = new AbortController();
      }
    }
  }

  /** Count the end; wait for its delay, or until `restart` or `close` if there were too many. */
  async #wait(error: Error, options: RestartOptions): Promise<void> {
    const { maxCrashes = MAX_CRASHES, windowMs = WINDOW_MS, delayMs = doubled } = options;
    const now = performance.now();
    this.#crashTimes = [...this.#crashTimes.filter((time) => now - time < windowMs), now];
    const crashes = this.#crashTimes.length;
    if (crashes < maxCrashes) {
      const delay = delayMs(crashes);
      this.#set({ type: "restarting", crashes, delayMs: delay, error });
      return pause(delay, this.#wake.signal);
    }
    const exit = error instanceof ConnectionClosed || error instanceof StartError ? error.exit : undefined;
    this.#set({ type: "failed", error: new DaemonCrashed(crashes, exit) });
    this.#crashTimes = [];
    const { signal } = this.#wake;
    if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  }

  #set(state: ClientState): void {
    this.#state = state;
    const changed = this.#changed;
    this.#changed = signalled();
    changed.resolve();
    this.#onState(state);
  }
}

function doubled(crashes: number): number {
  return Math.min(DELAY_MS * 2 ** (crashes - 1), DELAY_MAX_MS);
}

function signalled(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
}
