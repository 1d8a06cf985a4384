/**
 * The client: one typed function per method, chats, notifications and prompts.
 *
 * It has no code for a single provider. It seals and sends secrets and does not store them.
 */

import { randomUUID } from "node:crypto";

import { Chat } from "./chat.js";
import { exchange, initialize, open, type Connection } from "./connection.js";
import { spawnDaemon, type Daemon, type DaemonStreams, type Exit, type SpawnOptions } from "./daemon.js";
import {
  PROTOCOL_VERSION,
  resources,
  type CallOptions,
  type ChatEvents,
  type ClientInfo,
  type ClientOptions,
  type FeaturesInput,
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
import { FieldSealer, sealSource, type ClearSource, type Secrets } from "./keys.js";
import { Sealer, type SealTarget } from "./seal.js";
import { VaultRequests, type InitializeInput, type RekeyInput, type UnlockInput, type VaultChange } from "./vault.js";

/** What the client sends in `initialize`. */
export interface ConnectOptions {
  /** Name and version of the program, for the audit log. */
  clientInfo?: ClientInfo;
  /** The account that owns the keys. Default: `default`. */
  account?: string;
  /** Feature flags. They can switch off what the configuration allows, and switch nothing on. */
  features?: FeaturesInput;
  /** Notifications that the daemon must not send. */
  optOutNotifications?: readonly (keyof Notifications)[];
  /** Whether this client can show a message with buttons; see `onPrompt`. Default: true. */
  prompt?: boolean;
}

/** How to start the daemon, and what to send in `initialize`. */
export interface StartOptions extends SpawnOptions, ConnectOptions {}

/** Shows a message with buttons; returns the title of the chosen button, or null. */
export type PromptHandler = (request: ShowMessageRequest) => Promise<string | null> | string | null;

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

type Listener = (params: never) => void;

const SHUTDOWN_TIMEOUT_MS = 2000;

/** A connection to one daemon. Create it with `Client.start` or `Client.connect`; end it with `close`. */
export class Client implements AsyncDisposable {
  readonly provider: Resources["provider"];
  readonly key: Resources["key"];
  readonly vault: Resources["vault"];
  readonly model: Resources["model"];
  readonly audit: Resources["audit"];
  readonly account: Resources["account"];

  /** The daemon's answer to `initialize`: its limits, the state of its vault, its public key. */
  readonly server: ServerOptions;
  /** Resolves when the connection is closed: with the exit of the daemon if `start` started it. */
  readonly closed: Promise<Exit | undefined>;

  readonly #connection: Connection;
  readonly #daemon: Daemon | undefined;
  readonly #sealer: Sealer;
  readonly #fieldSealer: FieldSealer;
  readonly #vaultRequests: VaultRequests;
  readonly #chats = new Map<string, Chat>();
  readonly #listeners = new Map<string, Set<Listener>>();
  #prompt: PromptHandler = () => null;
  #closing: Promise<void> | undefined;

  /** Start a daemon and connect to it. On an error the daemon is stopped. */
  static async start(options: StartOptions = {}): Promise<Client> {
    const daemon = spawnDaemon(options);
    try {
      return await Client.#connect(daemon, options, daemon);
    } catch (error) {
      await daemon.stop(0);
      throw error;
    }
  }

  /** Connect to a running daemon. */
  static connect(streams: DaemonStreams, options: ConnectOptions = {}): Promise<Client> {
    return Client.#connect(streams, options);
  }

  static async #connect(streams: DaemonStreams, options: ConnectOptions, daemon?: Daemon): Promise<Client> {
    const connection = open(streams, daemon);
    try {
      return new Client(connection, await initialize(connection, clientOptions(options)), daemon);
    } catch (error) {
      connection.rpc.dispose();
      throw error;
    }
  }

  private constructor(connection: Connection, server: ServerOptions, daemon: Daemon | undefined) {
    const api = resources((method, params, options) => this.request(method, params, options));
    this.provider = api.provider;
    this.key = api.key;
    this.vault = api.vault;
    this.model = api.model;
    this.audit = api.audit;
    this.account = api.account;
    this.server = server;
    this.closed = connection.closed;
    this.#connection = connection;
    this.#daemon = daemon;
    this.#sealer = new Sealer(server.sealing, server.account);
    this.#fieldSealer = new FieldSealer(this.#sealer, api);
    this.#vaultRequests = new VaultRequests(this.#sealer, api.vault);
    connection.rpc.onNotification((method, params) => this.#handleNotification(method, params));
    connection.rpc.onRequest("window/showMessageRequest", (params: ShowMessageRequest) => this.#handlePrompt(params));
  }

  /**
   * Send a request. Rejects with `ByokdError`, `ConnectionClosed` or `ProtocolError`. Aborting
   * `signal` cancels the request on the daemon, too.
   */
  request<M extends keyof Requests>(
    method: M,
    params: Requests[M]["params"],
    options: CallOptions = {},
  ): Promise<Requests[M]["result"]> {
    return exchange(this.#connection, method, params, options.signal);
  }

  /** Start a chat. Iterate it for the events, await its `result` for the answer. */
  chat(params: ChatParams, options: CallOptions = {}): Chat {
    const streamId = randomUUID();
    const send = async (signal: AbortSignal) => {
      try {
        return await this.request("chat/send", { ...params, streamId }, { signal });
      } finally {
        this.#chats.delete(streamId);
      }
    };
    const chat = new Chat(streamId, send, options.signal);
    this.#chats.set(streamId, chat);
    return chat;
  }

  /** Call `listener` for each notification of this name. Returns a function that removes it. */
  on<N extends keyof Notifications>(name: N, listener: (params: Notifications[N]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set<Listener>();
    this.#listeners.set(name, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /** Set the handler that shows the daemon's prompts; it replaces the one before. Default: dismiss. */
  onPrompt(handler: PromptHandler): void {
    this.#prompt = handler;
  }

  /** Send `key/store` with sealed secret fields. */
  async storeKey(input: KeyInput, options?: CallOptions): Promise<KeyStoreResult> {
    const { apiKey, fields, ...params } = input;
    const sealed = await this.#fieldSealer.seal("key/store", params.provider, params, { apiKey, fields });
    return this.key.store({ ...params, fields: sealed }, options);
  }

  /** Send `key/rotate` with sealed secret fields. */
  async rotateKey(input: RotateInput, options?: CallOptions): Promise<KeyStoreResult> {
    const { apiKey, fields, ...params } = input;
    const provider = params.provider ?? (await this.#fieldSealer.providerOf(params.keyId));
    const sealed = await this.#fieldSealer.seal("key/rotate", provider, params, { apiKey, fields });
    return this.key.rotate({ ...params, fields: sealed }, options);
  }

  /** Send `key/probe` for a key that is not stored, with sealed secret fields. */
  async probeKey(input: CandidateInput, options?: CallOptions): Promise<KeyProbeResult> {
    const { apiKey, fields, ...params } = input;
    const sealed = await this.#fieldSealer.seal("key/probe", params.provider, params, { apiKey, fields });
    return this.key.probe({ ...params, fields: sealed }, options);
  }

  /** Send `key/import` with sealed variables or passphrase. Without `choose` it is a preview. */
  async importKeys(input: ImportInput, options?: CallOptions): Promise<KeyImportResult> {
    return this.key.import({ ...input, source: await sealSource(this.#sealer, input.source) }, options);
  }

  /** Send `vault/initialize` with a sealed passphrase; returns the recovery code in plain text. */
  initializeVault(input: InitializeInput, options?: CallOptions): Promise<VaultChange> {
    return this.#vaultRequests.initialize(input, options);
  }

  /** Send `vault/unlock` with a sealed passphrase or recovery code. */
  unlockVault(input: UnlockInput = {}, options?: CallOptions): Promise<VaultInfo> {
    return this.#vaultRequests.unlock(input, options);
  }

  /** Send `vault/rekey` with sealed secrets; returns a new recovery code in plain text. */
  rekeyVault(input: RekeyInput, options?: CallOptions): Promise<VaultChange> {
    return this.#vaultRequests.rekey(input, options);
  }

  /** Seal one value. `target` must have the same values as the params of the request. */
  seal(value: string, target: SealTarget): Promise<{ sealed: string }> {
    return this.#sealer.seal(value, target);
  }

  /** Send `shutdown` and `exit` and wait for the end of the daemon. May be called twice. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { rpc, closed } = this.#connection;
    try {
      await Promise.race([rpc.sendRequest("shutdown"), closed, after(SHUTDOWN_TIMEOUT_MS)]);
      await rpc.sendNotification("exit");
    } catch {
      // The daemon has exited or does not read: `stop` below ends it in both cases.
    }
    await this.#daemon?.stop();
    rpc.dispose();
    await closed;
  }

  #handleNotification(method: string, params: unknown): void {
    if (method === "chat/events") {
      const batch = params as ChatEvents;
      this.#chats.get(batch.streamId)?.deliver(batch);
    }
    for (const listener of this.#listeners.get(method) ?? []) {
      try {
        listener(params as never);
      } catch (error) {
        queueMicrotask(() => {
          throw error; // an uncaught error of the program; the connection continues
        });
      }
    }
  }

  async #handlePrompt(request: ShowMessageRequest): Promise<MessageAction | null> {
    const title = await this.#prompt(request);
    return title === null ? null : { title };
  }
}

function clientOptions(options: ConnectOptions): ClientOptions {
  const { prompt = true, clientInfo, account, features, optOutNotifications } = options;
  return {
    protocolVersion: PROTOCOL_VERSION,
    capabilities: { prompt },
    ...(clientInfo && { clientInfo }),
    ...(account !== undefined && { account }),
    ...(features && { features }),
    ...(optOutNotifications && { optOutNotifications }),
  };
}

/** Resolve after a delay; does not keep the process running. */
function after(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs).unref());
}
