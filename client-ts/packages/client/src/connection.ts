/** The JSON-RPC connection: the handshake, single requests, and the translation of their errors. */

import {
  CancellationTokenSource,
  ConnectionError,
  createMessageConnection,
  ErrorCodes,
  ResponseError,
  StreamMessageReader,
  StreamMessageWriter,
  type MessageConnection,
} from "vscode-jsonrpc/node";

import type { Daemon, DaemonStreams, Exit } from "./daemon.js";
import { ByokdError, ConnectionClosed, isErrorData, ProtocolError, StartError } from "./errors.js";
import { PROTOCOL_VERSION, type ClientOptions, type JsonObject, type ServerOptions } from "./generated.js";

/** An open JSON-RPC connection. */
export interface Connection {
  readonly rpc: MessageConnection;
  /** Resolves when the connection is closed: with the exit of its daemon if the client started one. */
  readonly closed: Promise<Exit | undefined>;
  /** Whether bytes came that are no messages. */
  isBroken(): boolean;
}

/** Open a connection. Pending requests are rejected when the daemon closes it or exits. */
export function open(streams: DaemonStreams, daemon?: Daemon): Connection {
  const reader = new StreamMessageReader(streams.input);
  const rpc = createMessageConnection(reader, new StreamMessageWriter(streams.output));
  let broken = false;
  rpc.onError(() => {}); // a broken pipe also closes the connection, which is handled below
  reader.onError(() => {
    broken = true;
    rpc.dispose(); // bytes after a broken frame cannot be read
  });
  const closed = new Promise<Exit | undefined>((resolve) => {
    rpc.onDispose(() => resolve(daemon?.stop()));
    rpc.onClose(() => rpc.dispose());
    void daemon?.exited.then(() => rpc.dispose());
  });
  rpc.listen();
  return { rpc, closed, isBroken: () => broken };
}

/** What the daemon says of itself. */
export interface Introduction {
  server: ServerOptions;
  /** Null if it does not say. */
  version: string | null;
}

/**
 * Send `initialize` and `initialized`; return the daemon's options and version.
 *
 * Throws `StartError` for a program that is not byokd, and for another protocol version.
 */
export async function initialize(connection: Connection, options: ClientOptions): Promise<Introduction> {
  const { clientInfo } = options;
  let answer: LspAnswer | undefined;
  try {
    answer = await exchange<LspAnswer>(connection, "initialize", {
      processId: process.pid,
      ...(clientInfo && { clientInfo }),
      rootUri: null, // LSP requires rootUri and capabilities
      capabilities: {},
      initializationOptions: { byokd: options } as unknown as JsonObject,
    });
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new StartError("notByokd", "the program is not byokd: it refused to initialize", undefined, { cause: error });
  }
  const server = answer?.capabilities?.experimental?.byokd;
  if (!server) {
    const name = answer?.serverInfo?.name;
    throw new StartError("notByokd", `the program is not byokd${name ? `: it calls itself ${name}` : ""}`);
  }
  if (server.protocolVersion !== PROTOCOL_VERSION) {
    const versions = `${server.protocolVersion}, this client ${PROTOCOL_VERSION}`;
    throw new StartError("otherVersion", `the daemon speaks protocol ${versions}: update the older one`);
  }
  // Not awaited: a failure closes the connection, and the next request reports it.
  connection.rpc.sendNotification("initialized", {}).catch(() => {});
  return { server, version: answer.serverInfo?.version ?? null };
}

/**
 * Send one request and return its result.
 *
 * Rejects with `ByokdError`, `ConnectionClosed` or `ProtocolError`; with the reason of `signal` if it
 * was aborted before the call, or if the daemon does not answer within `CANCEL_ANSWER_MS` of the abort.
 */
export async function exchange<R>(
  connection: Connection,
  method: string,
  params: object,
  signal?: AbortSignal,
): Promise<R> {
  signal?.throwIfAborted();
  const source = new CancellationTokenSource();
  let timer: NodeJS.Timeout | undefined;
  let giveUp = (_reason: unknown): void => {};
  const noAnswer = new Promise<never>((_, reject) => (giveUp = reject));
  const cancel = () => {
    source.cancel();
    timer = setTimeout(() => giveUp(new NoAnswer(signal?.reason)), CANCEL_ANSWER_MS).unref();
  };
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    // Always with a token: without one the library sends the params as an array.
    return await Promise.race([connection.rpc.sendRequest<R>(method, params, source.token), noAnswer]);
  } catch (error) {
    throw error instanceof NoAnswer ? error.reason : await translated(error, connection, method);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", cancel);
    source.dispose();
  }
}

/** How long a daemon may take to answer a request that was cancelled; it does so at once. */
const CANCEL_ANSWER_MS = 5000;

/** The daemon does not answer; `reason` is that of the signal. */
class NoAnswer {
  constructor(readonly reason: unknown) {}
}

interface LspAnswer {
  capabilities?: { experimental?: { byokd?: ServerOptions } };
  serverInfo?: { name?: string; version?: string };
}

/** Return the error of this package for an error of the JSON-RPC library. */
async function translated(error: unknown, connection: Connection, method: string): Promise<Error> {
  if (error instanceof ResponseError) {
    if (isErrorData(error.data)) return new ByokdError(error.code, error.data);
    if (error.code !== ErrorCodes.PendingResponseRejected) {
      return new ProtocolError(`${method} was answered with an error that is not in the protocol`, { cause: error });
    }
  } else if (!(error instanceof ConnectionError)) {
    connection.rpc.dispose(); // writing failed: the daemon is gone
  }
  return new ConnectionClosed(await connection.closed);
}
