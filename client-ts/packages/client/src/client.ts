/**
 * The client: one typed function per method, chats, notifications and prompts.
 *
 * It has no code for a single provider. It seals and sends secrets and does not store them.
 */

import { randomUUID } from "node:crypto";

import { Chat } from "./chat.js";
import type { DaemonStreams, Exit, SpawnOptions } from "./daemon.js";
import {
  resources,
  type CallOptions,
  type ChatEvents,
  type CountTokensParams,
  type CountTokensResult,
  type KeyImportParams,
  type KeyImportResult,
  type KeyProbeParams,
  type KeyProbeResult,
  type KeyRotateParams,
  type KeyStoreParams,
  type KeyStoreResult,
  type MessageAction,
  type Notifications,
  type Requests,
  type Resources,
  type SendParams,
  type ServerOptions,
  type ShowMessageRequest,
  type VaultInfo,
} from "./generated.js";
import { sealSource, type ClearSource, type Secrets } from "./keys.js";
import type { SealTarget } from "./seal.js";
import { Session, type ConnectOptions, type SessionListener } from "./session.js";
import { StreamQueue, type StreamCounts } from "./streams.js";
import { Supervisor, type ClientState, type RestartOptions } from "./supervisor.js";
import type { InitializeInput, RekeyInput, UnlockInput, VaultChange, VaultRekeyed } from "./vault.js";

/** How to start the daemon, and what to send in `initialize`. */
export interface StartOptions extends SpawnOptions, ConnectOptions {
  /** Start another daemon when one ends by itself. Default: false. */
  restart?: boolean | RestartOptions;
}

/**
 * Shows a message with buttons; returns the title of the chosen button, or null.
 *
 * `signal` is aborted when the daemon withdraws the question, or ends; a later answer changes nothing.
 */
export type PromptHandler = (request: ShowMessageRequest, signal: AbortSignal) => Promise<string | null> | string | null;

/** The params of `chat/send` without `streamId`, which the client creates. */
export type ChatParams = Omit<SendParams, "streamId">;

/** A new key in plain text; the client seals its secret fields. */
export type KeyInput = Omit<KeyStoreParams, "fields"> & Secrets;

/** A new secret for a stored key, in plain text; the client seals its secret fields. */
export type RotateInput = Omit<KeyRotateParams, "fields"> & Secrets;

/** A key that is only probed, in plain text; the client seals its secret fields. */
export type CandidateInput = Omit<KeyProbeParams, "fields" | "keyId"> & { provider: string } & Secrets;

/** A source of keys in plain text; the client seals its variables or its passphrase. */
export type ImportInput = Omit<KeyImportParams, "source"> & { source: ClearSource };

type Listener = (value: never) => void;

/** One typed function per method, by resource: `client.key.list()` sends `key/list`. */
export interface Client extends Omit<Resources, "chat"> {}

/** A daemon that answers. Create it with `Client.start` or `Client.connect`; end it with `close`. */
export class Client implements AsyncDisposable {
  readonly #supervisor: Supervisor;
  readonly #streams = new StreamQueue(() => this.server.limits.maxConcurrentStreams);
  readonly #router: Router;

  /**
   * Start a daemon and connect to it. Rejects with `StartError`; no process is left then.
   *
   * With `restart`, another daemon is started when one ends by itself. Listeners stay. Calls that run
   * at that moment reject with `ConnectionClosed`; later ones wait for the new daemon.
   */
  static async start(options: StartOptions = {}): Promise<Client> {
    const { restart, ...first } = options;
    const router = new Router();
    const session = await Session.start(first, router);
    const startNext = (signal: AbortSignal) => Session.start({ ...first, signal }, router);
    return new Client(router, session, startNext, restart === true ? {} : restart || undefined);
  }

  /** Connect to a running daemon. Rejects with `StartError` if it is none. */
  static async connect(streams: DaemonStreams, options: ConnectOptions = {}): Promise<Client> {
    const router = new Router();
    return new Client(router, await Session.connect(streams, options, router));
  }

  private constructor(
    router: Router,
    session: Session,
    start?: (signal: AbortSignal) => Promise<Session>,
    restart?: RestartOptions,
  ) {
    this.#router = router;
    this.#supervisor = new Supervisor(session, (state) => router.emit("state", state), start, restart);
    const { chat: _, ...api } = resources((method, params, options) => this.request(method, params, options));
    Object.assign(this, api);
  }

  /** The daemon's answer to `initialize`: its limits, the state of its vault, its public key. */
  get server(): ServerOptions {
    return this.#supervisor.server;
  }

  /** The version of the daemon, such as `0.1.0`; null if it does not say. */
  get version(): string | null {
    return this.#supervisor.version;
  }

  /** The process id of the daemon, while one runs that `start` started. */
  get pid(): number | undefined {
    return this.#supervisor.pid;
  }

  /** Resolves when the client is closed: with the exit of the daemon if `start` started it. */
  get closed(): Promise<Exit | undefined> {
    return this.#supervisor.closed;
  }

  /** Whether a daemon answers, is being started again, or ended for good. */
  get state(): ClientState {
    return this.#supervisor.state;
  }

  /** How many chats run, and how many wait because the daemon allows no more at the same time. */
  get streams(): StreamCounts {
    return this.#streams.counts;
  }

  /**
   * Send a request. Rejects with `ByokdError`, `ConnectionClosed` or `ProtocolError`. Aborting
   * `signal` cancels the request on the daemon, too; a request that still waits, for a restart or for
   * its turn, rejects with the reason of the signal.
   */
  request<M extends keyof Requests>(
    method: M,
    params: Requests[M]["params"],
    options: CallOptions = {},
  ): Promise<Requests[M]["result"]> {
    const { signal } = options;
    const send = async () => (await this.#supervisor.session(signal)).request(method, params, signal);
    if (method !== "chat/send") return send();
    const requester = params._meta?.["client"];
    return this.#streams.run(typeof requester === "string" ? requester : "", signal, send);
  }

  /**
   * Start a chat. Iterate it for the events, await its `result` for the answer.
   *
   * A chat waits its turn while the daemon has as many chats as it allows.
   */
  chat(params: ChatParams, options: CallOptions = {}): Chat {
    const streamId = randomUUID();
    const send = async (signal: AbortSignal) => {
      try {
        return await this.request("chat/send", { ...params, streamId }, { signal });
      } finally {
        this.#router.chats.delete(streamId);
      }
    };
    const chat = new Chat(streamId, send, options.signal);
    this.#router.chats.set(streamId, chat);
    return chat;
  }

  /** Count the input tokens of a conversation or a text: an estimate, or `exact` by the provider. */
  countTokens(params: CountTokensParams, options?: CallOptions): Promise<CountTokensResult> {
    return this.request("chat/countTokens", params, options);
  }

  /** Call `listener` for each notification of this name. Returns a function that removes it. */
  on<N extends keyof Notifications>(name: N, listener: (params: Notifications[N]) => void): () => void {
    return this.#router.add(name, listener);
  }

  /** Call `listener` for each change of `state`. Returns a function that removes it. */
  onState(listener: (state: ClientState) => void): () => void {
    return this.#router.add("state", listener);
  }

  /** Set the handler that shows the daemon's prompts; it replaces the one before. Default: dismiss. */
  onPrompt(handler: PromptHandler): void {
    this.#router.prompt = handler;
  }

  /** Send `key/store` with sealed secret fields. */
  async storeKey(input: KeyInput, options?: CallOptions): Promise<KeyStoreResult> {
    const { apiKey, fields, ...params } = input;
    const session = await this.#supervisor.session(options?.signal);
    const sealed = await session.fields.seal("key/store", params.provider, params, { apiKey, fields });
    return session.api.key.store({ ...params, fields: sealed }, options);
  }

  /** Send `key/rotate` with sealed secret fields. */
  async rotateKey(input: RotateInput, options?: CallOptions): Promise<KeyStoreResult> {
    const { apiKey, fields, ...params } = input;
    const session = await this.#supervisor.session(options?.signal);
    const provider = params.provider ?? (await session.fields.providerOf(params.keyId, options));
    const sealed = await session.fields.seal("key/rotate", provider, params, { apiKey, fields });
    return session.api.key.rotate({ ...params, fields: sealed }, options);
  }

  /** Send `key/probe` for a key that is not stored, with sealed secret fields. */
  async probeKey(input: CandidateInput, options?: CallOptions): Promise<KeyProbeResult> {
    const { apiKey, fields, ...params } = input;
    const session = await this.#supervisor.session(options?.signal);
    const sealed = await session.fields.seal("key/probe", params.provider, params, { apiKey, fields });
    return session.api.key.probe({ ...params, fields: sealed }, options);
  }

  /** Send `key/import` with sealed variables or passphrase. Without `choose` it is a preview. */
  async importKeys(input: ImportInput, options?: CallOptions): Promise<KeyImportResult> {
    const session = await this.#supervisor.session(options?.signal);
    return session.api.key.import({ ...input, source: await sealSource(session.sealer, input.source) }, options);
  }

  /** Send `vault/initialize` with a sealed passphrase; returns the recovery code in plain text. */
  async initializeVault(input: InitializeInput, options?: CallOptions): Promise<VaultChange> {
    return (await this.#supervisor.session(options?.signal)).vault.initialize(input, options);
  }

  /** Send `vault/unlock` with a sealed passphrase or recovery code. */
  async unlockVault(input: UnlockInput = {}, options?: CallOptions): Promise<VaultInfo> {
    return (await this.#supervisor.session(options?.signal)).vault.unlock(input, options);
  }

  /** Send `vault/rekey` with sealed secrets; returns a new recovery code in plain text. */
  async rekeyVault(input: RekeyInput, options?: CallOptions): Promise<VaultRekeyed> {
    return (await this.#supervisor.session(options?.signal)).vault.rekey(input, options);
  }

  /** Seal one value for the running daemon. `target` must have the same values as the params of the request. */
  async seal(value: string, target: SealTarget, options?: CallOptions): Promise<{ sealed: string }> {
    return (await this.#supervisor.session(options?.signal)).sealer.seal(value, target);
  }

  /** End the daemon and start another one, also after it crashed too often. */
  restart(options: CallOptions = {}): Promise<void> {
    return this.#supervisor.restart(options.signal);
  }

  /** Send `shutdown` and `exit` and wait for the end of the daemon. This is final. May be called twice. */
  close(): Promise<void> {
    return this.#supervisor.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Brings what daemons send to chats, listeners and the prompt handler; it outlives each daemon. */
class Router implements SessionListener {
  readonly chats = new Map<string, Chat>();
  prompt: PromptHandler = () => null;
  readonly #listeners = new Map<string, Set<Listener>>();

  add<T>(name: string, listener: (value: T) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set<Listener>();
    this.#listeners.set(name, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  emit(name: string, value: unknown): void {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        listener(value as never);
      } catch (error) {
        queueMicrotask(() => {
          throw error; // an uncaught error of the program; the connection continues
        });
      }
    }
  }

  onNotification(method: string, params: unknown): void {
    if (method === "chat/events") {
      const batch = params as ChatEvents;
      this.chats.get(batch.streamId)?.deliver(batch);
    }
    this.emit(method, params);
  }

  async onPrompt(request: ShowMessageRequest, signal: AbortSignal): Promise<MessageAction | null> {
    const title = await this.prompt(request, signal);
    return title === null ? null : { title };
  }
}
