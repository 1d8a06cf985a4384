/**
 * The client: one typed function per method, chats, and what the daemon says unasked.
 *
 * Knows the contract's shape and nothing of a provider. No secret is kept: it is sealed and sent.
 */

import { randomUUID } from "node:crypto";

import { Chat } from "./chat.js";
import { exchange, initialize, open, type Line } from "./connection.js";
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
import { KeyForm, sealSource, type ClearSource, type Secrets } from "./keys.js";
import { Sealer, type SealTarget } from "./seal.js";
import { VaultForm, type InitializeInput, type RekeyInput, type UnlockInput, type VaultChange } from "./vault.js";

/** Who connects, and what for. */
export interface ConnectOptions {
  /** Named in the audit trail. */
  clientInfo?: ClientInfo;
  /** A namespace for keys. Default: `default`. */
  account?: string;
  /** Switches; they can only narrow what the configuration allows. */
  features?: FeaturesInput;
  /** Notifications that are not wanted. */
  optOutNotifications?: readonly (keyof Notifications)[];
  /** Whether this client can ask a person. Default: true; answer with `onPrompt`. */
  prompt?: boolean;
}

/** How to start the daemon, and who connects. */
export interface StartOptions extends SpawnOptions, ConnectOptions {}

/** Shows a message with buttons; returns the title of the chosen one, or null. */
export type PromptHandler = (request: ShowMessageRequest) => Promise<string | null> | string | null;

/** `chat/send` without the id, which the client makes. */
export type ChatParams = Omit<SendParams, "streamId">;

/** A new key, in the clear: it is sealed before it is sent. */
export type KeyInput = Omit<KeyStoreParams, "fields"> & Secrets;

/** A new secret for a stored key, in the clear: it is sealed before it is sent. */
export type RotateInput = Omit<KeyRotateParams, "fields"> & Secrets;

/** A key that is not stored, in the clear: it is sealed before it is sent. */
export type CandidateInput = Omit<KeyProbeParams, "fields" | "keyId"> & { provider: string } & Secrets;

/** Where keys are imported from, in the clear: what is secret is sealed before it is sent. */
export type ImportInput = Omit<KeyImportParams, "source"> & { source: ClearSource };

type Listener = (params: never) => void;

const SHUTDOWN_TIMEOUT_MS = 2000;

/** A connection to one daemon. Make it with `Client.start`; end it with `close`. */
export class Client implements AsyncDisposable {
  readonly provider: Resources["provider"];
  readonly key: Resources["key"];
  readonly vault: Resources["vault"];
  readonly model: Resources["model"];
  readonly audit: Resources["audit"];
  readonly account: Resources["account"];

  /** What the daemon told in `initialize`: its limits, its vault, the key to seal to. */
  readonly server: ServerOptions;
  /** Resolves when the connection is over, with the exit of a daemon started here. */
  readonly closed: Promise<Exit | undefined>;

  readonly #line: Line;
  readonly #daemon: Daemon | undefined;
  readonly #sealer: Sealer;
  readonly #keyForm: KeyForm;
  readonly #vaultForm: VaultForm;
  readonly #chats = new Map<string, Chat>();
  readonly #listeners = new Map<string, Set<Listener>>();
  #prompt: PromptHandler = () => null;
  #closing: Promise<void> | undefined;

  /** Start a daemon and connect to it. Nothing is left running when this throws. */
  static async start(options: StartOptions = {}): Promise<Client> {
    const daemon = spawnDaemon(options);
    try {
      return await Client.#connect(daemon, options, daemon);
    } catch (error) {
      await daemon.stop(0);
      throw error;
    }
  }

  /** Connect to a daemon that is there already. */
  static connect(streams: DaemonStreams, options: ConnectOptions = {}): Promise<Client> {
    return Client.#connect(streams, options);
  }

  static async #connect(streams: DaemonStreams, options: ConnectOptions, daemon?: Daemon): Promise<Client> {
    const line = open(streams, daemon);
    try {
      return new Client(line, await initialize(line, clientOptions(options)), daemon);
    } catch (error) {
      line.rpc.dispose();
      throw error;
    }
  }

  private constructor(line: Line, server: ServerOptions, daemon: Daemon | undefined) {
    const api = resources((method, params, options) => this.request(method, params, options));
    this.provider = api.provider;
    this.key = api.key;
    this.vault = api.vault;
    this.model = api.model;
    this.audit = api.audit;
    this.account = api.account;
    this.server = server;
    this.closed = line.closed;
    this.#line = line;
    this.#daemon = daemon;
    this.#sealer = new Sealer(server.sealing, server.account);
    this.#keyForm = new KeyForm(this.#sealer, api);
    this.#vaultForm = new VaultForm(this.#sealer, api.vault);
    line.rpc.onNotification((method, params) => this.#notified(method, params));
    line.rpc.onRequest("window/showMessageRequest", (params: ShowMessageRequest) => this.#prompted(params));
  }

  /** Send a request. Rejects with `ByokdError`; an aborted `signal` cancels it on the daemon too. */
  request<M extends keyof Requests>(
    method: M,
    params: Requests[M]["params"],
    options: CallOptions = {},
  ): Promise<Requests[M]["result"]> {
    return exchange(this.#line, method, params, options.signal);
  }

  /** Ask a model: iterate for the events, await `.result` for the answer. */
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

  /** Listen to a notification; call what is returned to stop. */
  on<N extends keyof Notifications>(name: N, listener: (params: Notifications[N]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set<Listener>();
    this.#listeners.set(name, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /** Answer the daemon's questions to the person. The last handler given is asked. */
  onPrompt(handler: PromptHandler): void {
    this.#prompt = handler;
  }

  /** `key/store`, with the secret fields sealed. */
  async storeKey(input: KeyInput, options?: CallOptions): Promise<KeyStoreResult> {
    const { apiKey, fields, ...params } = input;
    const sealed = await this.#keyForm.seal("key/store", params.provider, params, { apiKey, fields });
    return this.key.store({ ...params, fields: sealed }, options);
  }

  /** `key/rotate`, with the secret fields sealed. */
  async rotateKey(input: RotateInput, options?: CallOptions): Promise<KeyStoreResult> {
    const { apiKey, fields, ...params } = input;
    const provider = params.provider ?? (await this.#keyForm.providerOf(params.keyId));
    const sealed = await this.#keyForm.seal("key/rotate", provider, params, { apiKey, fields });
    return this.key.rotate({ ...params, fields: sealed }, options);
  }

  /** `key/probe` of a candidate, with the secret fields sealed. */
  async probeKey(input: CandidateInput, options?: CallOptions): Promise<KeyProbeResult> {
    const { apiKey, fields, ...params } = input;
    const sealed = await this.#keyForm.seal("key/probe", params.provider, params, { apiKey, fields });
    return this.key.probe({ ...params, fields: sealed }, options);
  }

  /** `key/import`, with variables and passphrase sealed. Without `choose` it is a preview. */
  async importKeys(input: ImportInput, options?: CallOptions): Promise<KeyImportResult> {
    return this.key.import({ ...input, source: await sealSource(this.#sealer, input.source) }, options);
  }

  /** `vault/initialize`, with the passphrase sealed and the recovery code opened. */
  initializeVault(input: InitializeInput, options?: CallOptions): Promise<VaultChange> {
    return this.#vaultForm.initialize(input, options);
  }

  /** `vault/unlock`, with the passphrase or the recovery code sealed. */
  unlockVault(input: UnlockInput = {}, options?: CallOptions): Promise<VaultInfo> {
    return this.#vaultForm.unlock(input, options);
  }

  /** `vault/rekey`, with the secrets sealed and the recovery code opened. */
  rekeyVault(input: RekeyInput, options?: CallOptions): Promise<VaultChange> {
    return this.#vaultForm.rekey(input, options);
  }

  /** Seal one field. `target` must say exactly what the request's params will say. */
  seal(value: string, target: SealTarget): Promise<{ sealed: string }> {
    return this.#sealer.seal(value, target);
  }

  /** Say good-bye and wait until the daemon is gone. Safe to call twice. */
  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { rpc, closed } = this.#line;
    try {
      await Promise.race([rpc.sendRequest("shutdown"), closed, after(SHUTDOWN_TIMEOUT_MS)]);
      await rpc.sendNotification("exit");
    } catch {
      // It is gone already, or does not listen: what follows ends it either way.
    }
    await this.#daemon?.stop();
    rpc.dispose();
    await closed;
  }

  #notified(method: string, params: unknown): void {
    if (method === "chat/events") {
      const batch = params as ChatEvents;
      this.#chats.get(batch.streamId)?.deliver(batch);
    }
    for (const listener of this.#listeners.get(method) ?? []) {
      try {
        listener(params as never);
      } catch (error) {
        queueMicrotask(() => {
          throw error; // a listener's fault belongs to the program, not to the connection
        });
      }
    }
  }

  async #prompted(request: ShowMessageRequest): Promise<MessageAction | null> {
    const title = await this.#prompt(request);
    return title === null ? null : { title };
  }
}

function clientOptions({ prompt = true, ...given }: ConnectOptions): ClientOptions {
  const { clientInfo, account, features, optOutNotifications } = given;
  return {
    protocolVersion: PROTOCOL_VERSION,
    capabilities: { prompt },
    ...(clientInfo && { clientInfo }),
    ...(account !== undefined && { account }),
    ...(features && { features }),
    ...(optOutNotifications && { optOutNotifications }),
  };
}

function after(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs).unref());
}
