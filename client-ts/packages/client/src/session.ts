/** One daemon from its start to its end: its connection and what is sealed for it. */

import type { CancellationToken } from "vscode-jsonrpc/node";

import { initialize, exchange, open, type Connection } from "./connection.js";
import { spawnDaemon, type Daemon, type DaemonStreams, type Exit, type SpawnOptions } from "./daemon.js";
import { ConnectionClosed, StartError } from "./errors.js";
import { findDaemon } from "./find.js";
import {
  PROTOCOL_VERSION,
  resources,
  type ClientInfo,
  type ClientOptions,
  type FeaturesInput,
  type MessageAction,
  type Notifications,
  type Requests,
  type Resources,
  type ServerOptions,
  type ShowMessageRequest,
} from "./generated.js";
import { FieldSealer } from "./keys.js";
import { Sealer } from "./seal.js";
import { VaultRequests } from "./vault.js";
import { after, orAborted } from "./waiting.js";

/** What the client sends in `initialize`, and how long it waits for the answer. */
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
  /** How long the start may take. Default: 20,000 ms. */
  startTimeoutMs?: number;
  /** Ends the start: it rejects with the reason of the signal. Later it has no effect. */
  signal?: AbortSignal;
}

/** Receives what a daemon sends by itself. */
export interface SessionListener {
  onNotification(method: string, params: unknown): void;
  /** `signal` is aborted when the daemon withdraws the question, or ends. */
  onPrompt(request: ShowMessageRequest, signal: AbortSignal): Promise<MessageAction | null>;
}

const START_TIMEOUT_MS = 20_000;
const SHUTDOWN_TIMEOUT_MS = 2000;
const SHOWN_CHARS = 200;

/** A connection to one daemon process. */
export class Session {
  readonly api: Resources;
  readonly sealer: Sealer;
  readonly fields: FieldSealer;
  readonly vault: VaultRequests;
  /** Resolves when the connection is closed: with the exit of the daemon if it was started here. */
  readonly closed: Promise<Exit | undefined>;
  readonly #connection: Connection;
  readonly #daemon: Daemon | undefined;

  private constructor(
    connection: Connection,
    readonly server: ServerOptions,
    readonly version: string | null,
    daemon: Daemon | undefined,
  ) {
    this.#connection = connection;
    this.#daemon = daemon;
    this.closed = connection.closed;
    this.api = resources((method, params, options) => this.request(method, params, options?.signal));
    this.sealer = new Sealer(server.sealing, server.account);
    this.fields = new FieldSealer(this.sealer, this.api);
    this.vault = new VaultRequests(this.sealer, this.api.vault);
  }

  /** Start a daemon and connect to it. Rejects with `StartError`; no process is left then. */
  static async start(options: SpawnOptions & ConnectOptions, listener: SessionListener): Promise<Session> {
    options.signal?.throwIfAborted();
    const command = options.command ?? (await located());
    options.signal?.throwIfAborted();
    const daemon = spawnDaemon({ ...options, command });
    try {
      return await Session.connect(daemon, options, listener, daemon);
    } catch (error) {
      const exit = error instanceof ConnectionClosed && error.exit ? error.exit : await daemon.stop(0);
      throw startError(error, exit, command, daemon.preamble());
    }
  }

  /** Connect to a running daemon. */
  static async connect(
    streams: DaemonStreams,
    options: ConnectOptions,
    listener: SessionListener,
    daemon?: Daemon,
  ): Promise<Session> {
    const connection = open(streams, daemon);
    const { rpc } = connection;
    rpc.onNotification((method, params) => listener.onNotification(method, params));
    rpc.onRequest("window/showMessageRequest", (request: ShowMessageRequest, token: CancellationToken) => {
      const withdrawn = new AbortController();
      token.onCancellationRequested(() => withdrawn.abort());
      void connection.closed.then(() => withdrawn.abort());
      return listener.onPrompt(request, withdrawn.signal);
    });
    const limitMs = options.startTimeoutMs ?? START_TIMEOUT_MS;
    const timeout = AbortSignal.timeout(limitMs);
    try {
      const answer = initialize(connection, clientOptions(options));
      const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
      const { server, version } = await orAborted(answer, signal);
      return new Session(connection, server, version, daemon);
    } catch (error) {
      rpc.dispose();
      if (connection.isBroken()) throw new StartError("notByokd", "the program is not byokd: it sent no messages");
      if (options.signal?.aborted || !timeout.aborted || error !== timeout.reason) throw error;
      throw new StartError("timeout", `the daemon did not answer within ${limitMs} ms`);
    }
  }

  get pid(): number | undefined {
    return this.#daemon?.pid;
  }

  /** Send one request; see `Client.request`. */
  request<M extends keyof Requests>(
    method: M,
    params: Requests[M]["params"],
    signal?: AbortSignal,
  ): Promise<Requests[M]["result"]> {
    return exchange(this.#connection, method, params, signal);
  }

  /** Send `shutdown` and `exit`, and wait for the end of the daemon. */
  async close(): Promise<void> {
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
}

/** Return the path of the daemon on this machine. Rejects with `StartError`. */
async function located(): Promise<string> {
  const search = await findDaemon();
  if (search.path !== null) return search.path;
  throw new StartError("notFound", `${search.message}: install byokd, or set its path`);
}

/** Return the error of a failed start, with what is known about the program. */
function startError(error: unknown, exit: Exit, command: string, preamble: string | null): unknown {
  if (exit.error) {
    const missing = (exit.error as NodeJS.ErrnoException).code === "ENOENT";
    if (missing) return new StartError("notFound", `${command} was not found: install byokd, or set its path`, exit);
    return new StartError("notStarted", `${command} cannot be started: ${exit.error.message}`, exit);
  }
  const printed = preamble?.trim().slice(0, SHOWN_CHARS);
  const printedText = printed ? `; it printed: ${printed}` : "";
  if (error instanceof ConnectionClosed) {
    if (printed) return new StartError("notByokd", `${command} is not byokd${printedText}`, exit);
    const end = exit.signal ? `ended by ${exit.signal}` : `ended with exit code ${exit.code}`;
    return new StartError("exited", `${command} ${end} before it answered`, exit);
  }
  if (!(error instanceof StartError)) return error; // an answer of the daemon, or the reason of the signal
  return new StartError(error.reason, `${error.message} (${command})${printedText}`, exit, { cause: error.cause });
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
