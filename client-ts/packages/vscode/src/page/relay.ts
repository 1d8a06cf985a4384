/**
 * Carries messages between the page and the daemon; `host.ts` of the page says what a host must do.
 *
 * It needs no VS Code: `RelayOptions` has what depends on it.
 */

import {
  ByokdError,
  REQUEST_METHODS,
  type Client,
  type ErrorData,
  type ErrorKind,
  type JsonObject,
  type Notifications,
  type Requests,
  type ShowMessageRequest,
} from "@byokd/client";

import type { HostMessage } from "../../../page/src/host.js";
import { words } from "../words.js";
import { CodeReceiver, isObject, sealParams, UnsendableText } from "./secrets.js";
import { withLocalSource, type LocalSources } from "./sources.js";

/** One request of the page, as JSON; a form with keys takes a few kB. */
export const REQUEST_MAX_CHARS = 1024 * 1024;
/** Requests of the page at a time; the page sends about six. */
export const REQUESTS_MAX = 32;
/** Messages that wait for the page; one that stopped to read is ended. */
export const WAITING_MAX = 4096;

/** The notifications that the page uses. It gets the events of a chat only if it started it, else that a key was used. */
export const FORWARDED = ["key/changed", "vault/changed", "model/changed", "catalog/changed", "chat/events"] as const;

const ALLOWED: ReadonlySet<string> = new Set(REQUEST_METHODS);

export type DaemonClient = Pick<Client, "request" | "seal" | "server">;

export interface RelayOptions {
  /** The running daemon; it is started if needed. Rejects with an error for people. */
  daemon: (signal: AbortSignal) => Promise<DaemonClient>;
  local: LocalSources;
  /** Send a message to the page; settles when the page has it. */
  post: (message: HostMessage) => PromiseLike<unknown>;
}

/** The messages of one page, as long as it is shown. */
export class Relay {
  readonly #options: RelayOptions;
  readonly #running = new Map<number, AbortController>();
  readonly #questions = new Map<string, (title: string | null) => void>();
  readonly #streams = new Set<string>();
  #lastQuestion = 0;
  #waiting = 0;
  #isEnded = false;

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /** Act on a message of the page. Returns false if it is none that every host understands. */
  take(message: unknown): boolean {
    if (!isObject(message)) return false;
    const { type, id } = message;
    if (type === "request" && isId(id) && typeof message["method"] === "string" && isObject(message["params"])) {
      this.#start(id, message["method"], message["params"]);
    } else if (type === "cancel" && isId(id)) {
      this.#running.get(id)?.abort();
    } else if (type === "answer" && typeof id === "string") {
      const title = message["title"];
      this.#settle(id, typeof title === "string" ? title : null);
    } else return false;
    return true;
  }

  post(message: HostMessage): void {
    if (this.#isEnded) return;
    if (this.#waiting >= WAITING_MAX) {
      this.#options.post({ type: "ended", reason: "overflow" });
      return this.close();
    }
    this.#waiting += 1;
    const delivered = () => void (this.#waiting -= 1);
    this.#options.post(message).then(delivered, delivered);
  }

  /** Pass on a notification of the daemon. */
  notify<N extends (typeof FORWARDED)[number]>(method: N, params: Notifications[N]): void {
    if ("streamId" in params && !this.#streams.has(params.streamId)) {
      if (params.events.some((event) => event.type === "finish")) this.post({ type: "used" });
      return;
    }
    this.post({ type: "notification", method, params });
  }

  /** Show a question of the daemon. Resolves with the chosen title; null if there is none, or it was withdrawn. */
  ask(params: ShowMessageRequest, signal: AbortSignal): Promise<string | null> {
    const id = `q${(this.#lastQuestion += 1)}`;
    return new Promise((resolve) => {
      const withdraw = () => {
        this.post({ type: "withdrawn", id });
        this.#settle(id, null);
      };
      if (this.#isEnded || signal.aborted) return resolve(null);
      signal.addEventListener("abort", withdraw);
      this.#questions.set(id, (title) => {
        signal.removeEventListener("abort", withdraw);
        resolve(title);
      });
      this.post({ type: "question", id, params });
    });
  }

  /** The page is gone: its requests are cancelled, and its questions have no answer. */
  close(): void {
    this.#isEnded = true;
    for (const controller of this.#running.values()) controller.abort();
    for (const id of this.#questions.keys()) this.#settle(id, null);
  }

  #settle(id: string, title: string | null): void {
    const settle = this.#questions.get(id);
    this.#questions.delete(id);
    settle?.(title);
  }

  #start(id: number, method: string, params: JsonObject): void {
    const text = jsonOf(params);
    if (!isMethod(method) || this.#running.has(id) || text === undefined) {
      return this.refuse(id, "invalidRequest", words.page.refused);
    }
    if (text.length > REQUEST_MAX_CHARS) return this.refuse(id, "invalidRequest", words.page.tooLarge);
    if (this.#running.size >= REQUESTS_MAX) return this.refuse(id, "overloaded", words.page.tooMany);
    const controller = new AbortController();
    this.#running.set(id, controller);
    // Parsed again: a message of the page may have more than JSON has, such as cycles.
    void this.#request(id, method, JSON.parse(text) as JsonObject, controller.signal).finally(() => this.#running.delete(id));
  }

  async #request(id: number, method: keyof Requests, params: JsonObject, signal: AbortSignal): Promise<void> {
    const streamId = method === "chat/send" ? params["streamId"] : undefined;
    if (typeof streamId === "string") this.#streams.add(streamId);
    try {
      const client = await this.#options.daemon(signal);
      const local = method === "key/import" ? await withLocalSource(client, params, this.#options.local) : params;
      const receiver = await CodeReceiver.of(client.server.account, method, local);
      const sealed = await sealParams(client, method, receiver.params);
      // The daemon checks the params; the page is typed by the same schema.
      const result = await client.request(method, sealed as never, { signal });
      this.post({ type: "result", id, result: await receiver.open(result as unknown as JsonObject) });
    } catch (error) {
      this.#fail(id, error, signal);
    } finally {
      if (typeof streamId === "string") this.#streams.delete(streamId);
    }
  }

  #fail(id: number, error: unknown, signal: AbortSignal): void {
    if (error instanceof ByokdError) this.post({ type: "error", id, error: error.data });
    else if (signal.aborted) this.refuse(id, "cancelled", words.page.cancelled);
    else if (error instanceof UnsendableText) this.refuse(id, "invalidParams", words.page.unsendable);
    else this.refuse(id, "internal", error instanceof Error ? error.message : words.daemon.unknownFailure);
  }

  /** Answer a message of the page with an error. */
  refuse(id: number, kind: ErrorKind, userMessage: string): void {
    this.post({ type: "error", id, error: errorOf(kind, userMessage) });
  }
}

/** Whether this can be the id of a message of the page. */
export function isId(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value);
}

function isMethod(method: string): method is keyof Requests {
  return ALLOWED.has(method);
}

function jsonOf(value: object): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined; // a cycle, a bigint, or too deep
  }
}

function errorOf(kind: ErrorKind, userMessage: string): ErrorData {
  return {
    kind,
    errorId: "",
    retryable: false,
    retryAfterMs: null,
    provider: null,
    model: null,
    keyId: null,
    httpStatus: null,
    providerCode: null,
    providerMessage: null,
    providerRequestId: null,
    userMessage,
    action: null,
    partial: null,
    details: null,
  };
}
