/**
 * The page and its host: the one interface between them.
 *
 * The host is what shows the page: `byokd ui` in a browser, an extension of VS Code in a webview. It
 * runs the daemon. Both sides send each other plain JSON messages, in order, over a `Channel`.
 *
 * What the host must do, besides passing messages on:
 *
 * - **Seal.** The page marks each secret in params as `{ plain: text }`. The host replaces each by
 *   `{ sealed }` for the field under whose name it stands, before the request leaves the host.
 * - **Recovery codes.** A request with `makeRecoveryCode: true` is sent with a `recipientPublicKey` of
 *   the host instead, and `recoveryCode` of its result is the opened text.
 * - **Environment.** `key/import` with the source `{ type: "environment" }` means the host's own
 *   environment: the host sends the variables that `provider/list` names as `{ type: "variables" }`.
 *   A `path` may begin with `~`.
 * - **Allow.** Every request of the protocol, except `initialize` and `shutdown`.
 * - **Chat, if it has one of its own.** A host whose `hello` says `opensChat` gets `openChat` where the
 *   person asks the first question; another host gets nothing, and the page asks it by `chat/send`.
 */

import type { ErrorData, JsonObject, Requests, ShowMessageRequest } from "../../client/src/generated.js";

/** Messages of the page. */
export type PageMessage =
  | { type: "request"; id: number; method: string; params: JsonObject }
  | { type: "cancel"; id: number }
  /** The answer to a `question`; null if the person chose nothing. */
  | { type: "answer"; id: string; title: string | null }
  /**
   * Save a text that is no secret in a file of the person's choice. Answered as a request is: the result says
   * whether it was saved; false if the person chose no file.
   */
  | { type: "save"; id: number; name: string; text: string }
  /** Open the host's own chat with this model, and send the prompt there. Only to a host that `opensChat`. */
  | { type: "openChat"; provider: string; keyId: string | null; model: string; prompt: string }
  /** The person chose one of the `actions` of `unavailable`. */
  | { type: "act"; title: string };

/**
 * A place on the page. A `keyId` opens the form of that key, a `provider` its view, and `addKey` the
 * form for a key of that provider, or of any.
 */
export interface Place {
  view: "providers" | "vault" | "audit" | "import" | "addKey";
  provider?: string | null;
  keyId?: string | null;
}

/** Messages of the host. Unknown types are ignored. */
export type HostMessage =
  /**
   * A daemon answers, and the page loads; again after each start of a daemon. `host` is `browser` or
   * `vscode`; `at` is what the page opens. `machine`, where a person could mistake the machine of the keys
   * for another, is what follows "Keys are kept".
   */
  | { type: "hello"; host: string; account: string; opensChat?: boolean; at?: Place; machine?: string }
  /** A daemon is being started; `hello` or `unavailable` follows. */
  | { type: "starting" }
  /** There is no daemon. `message` says why, and an action of these titles, the best first, mends it. */
  | { type: "unavailable"; message: string; actions: readonly string[] }
  /** Go to a place: a command of the host, such as "Update key" of a notification. */
  | { type: "show"; at: Place }
  | { type: "result"; id: number; result: unknown }
  | { type: "error"; id: number; error: ErrorData }
  | { type: "notification"; method: string; params: unknown }
  /** A chat that the page did not start has used a key. Its events are not for the page. */
  | { type: "used" }
  /** `window/showMessageRequest` of the daemon. */
  | { type: "question"; id: string; params: ShowMessageRequest }
  | { type: "withdrawn"; id: string }
  /** Nothing follows. `reason` is for the page's words. */
  | { type: "ended"; reason: string };

export interface Channel {
  post(message: PageMessage): void;
  /** Called once, before the first `post`. */
  listen(listener: (message: HostMessage) => void): void;
}

/** Params as the page sends them: secrets are `{ plain }`, and the host has a wish of its own. */
export type PageParams<P> = P & { makeRecoveryCode?: boolean };

/** An error answer; `data.kind` says which. */
export class HostError extends Error {
  constructor(readonly data: ErrorData) {
    super(data.userMessage);
  }
}

type Listener = (message: HostMessage) => void;
type Pending = { resolve: (value: unknown) => void; reject: (error: Error) => void };

/** Sends requests of the protocol and passes on what the host sends by itself. */
export class Host {
  readonly #channel: Channel;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Set<Listener>();
  #lastId = 0;

  constructor(channel: Channel) {
    this.#channel = channel;
    channel.listen((message) => this.#take(message));
  }

  /** Send a request. An abort cancels it; it then rejects with a `HostError` of the kind `cancelled`. */
  request<M extends keyof Requests>(
    method: M,
    params: PageParams<Requests[M]["params"]>,
    signal?: AbortSignal,
  ): Promise<Requests[M]["result"]> {
    const { id, answer } = this.#expect();
    this.#channel.post({ type: "request", id, method, params: params as unknown as JsonObject });
    signal?.addEventListener("abort", () => this.#channel.post({ type: "cancel", id }), { once: true });
    return answer as Promise<Requests[M]["result"]>;
  }

  answer(id: string, title: string | null): void {
    this.#channel.post({ type: "answer", id, title });
  }

  /** Save a text in a file; resolves with false if the person chose none, and rejects with a `HostError`. */
  save(name: string, text: string): Promise<boolean> {
    const { id, answer } = this.#expect();
    this.#channel.post({ type: "save", id, name, text });
    return answer as Promise<boolean>;
  }

  act(title: string): void {
    this.#channel.post({ type: "act", title });
  }

  openChat(chat: { provider: string; keyId: string | null; model: string; prompt: string }): void {
    this.#channel.post({ type: "openChat", ...chat });
  }

  /** Call the listener with each message that is no answer; return how to stop. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Make the id of a message that the host answers. */
  #expect(): { id: number; answer: Promise<unknown> } {
    const id = (this.#lastId += 1);
    return { id, answer: new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject })) };
  }

  #take(message: HostMessage): void {
    if (message.type === "result" || message.type === "error") {
      const pending = this.#pending.get(message.id);
      this.#pending.delete(message.id);
      if (message.type === "result") pending?.resolve(message.result);
      else pending?.reject(new HostError(message.error));
      return;
    }
    for (const listener of this.#listeners) listener(message);
  }
}
