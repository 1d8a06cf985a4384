/**
 * The handshake and one exchange: what lies between the library that frames and our three errors.
 */

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
import { ByokdError, ConnectionClosed, isErrorData, ProtocolError } from "./errors.js";
import { PROTOCOL_VERSION, type ClientOptions, type JsonObject, type ServerOptions } from "./generated.js";

/** An open connection, and how it will have ended. */
export interface Line {
  readonly rpc: MessageConnection;
  /** Resolves when the connection is over, with the exit of a daemon that was started for it. */
  readonly closed: Promise<Exit | undefined>;
}

/** Open a connection. What is pending is rejected as soon as the other side is gone. */
export function open(streams: DaemonStreams, daemon?: Daemon): Line {
  const reader = new StreamMessageReader(streams.input);
  const rpc = createMessageConnection(reader, new StreamMessageWriter(streams.output));
  rpc.onError(() => {}); // a broken pipe also closes, which is handled here
  reader.onError(() => rpc.dispose()); // what follows a broken frame means nothing
  const closed = new Promise<Exit | undefined>((resolve) => {
    rpc.onDispose(() => resolve(daemon?.stop()));
    rpc.onClose(() => rpc.dispose());
    void daemon?.exited.then(() => rpc.dispose());
  });
  rpc.listen();
  return { rpc, closed };
}

/** Send `initialize`, check the answer, and return what the daemon told. */
export async function initialize(line: Line, options: ClientOptions): Promise<ServerOptions> {
  const { clientInfo } = options;
  const answer = await exchange<LspAnswer>(line, "initialize", {
    processId: process.pid,
    ...(clientInfo && { clientInfo }),
    rootUri: null, // LSP requires these two of every client
    capabilities: {},
    initializationOptions: { byokd: options } as unknown as JsonObject,
  });
  const told = answer?.capabilities?.experimental?.byokd;
  if (!told) throw new ProtocolError("the program started is not a byokd daemon");
  if (told.protocolVersion !== PROTOCOL_VERSION) {
    const versions = `${told.protocolVersion}, this client ${PROTOCOL_VERSION}`;
    throw new ProtocolError(`the daemon speaks protocol ${versions}: update the older one`);
  }
  // Not awaited: nothing the daemon says from here on may arrive before its listeners can.
  line.rpc.sendNotification("initialized", {}).catch(() => {});
  return told;
}

/** Send one request; whatever goes wrong becomes one of the three errors. */
export async function exchange<R>(
  line: Line,
  method: string,
  params: object,
  signal?: AbortSignal,
): Promise<R> {
  signal?.throwIfAborted();
  const source = new CancellationTokenSource();
  const cancel = () => source.cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    // The token is always given: with an absent one the params would travel as an array.
    return await line.rpc.sendRequest<R>(method, params, source.token);
  } catch (error) {
    throw await translated(error, line, method);
  } finally {
    signal?.removeEventListener("abort", cancel);
    source.dispose();
  }
}

interface LspAnswer {
  capabilities?: { experimental?: { byokd?: ServerOptions } };
}

async function translated(error: unknown, line: Line, method: string): Promise<Error> {
  if (error instanceof ResponseError) {
    if (isErrorData(error.data)) return new ByokdError(error.code, error.data);
    if (error.code !== ErrorCodes.PendingResponseRejected) {
      return new ProtocolError(`${method} was answered outside the contract`, { cause: error });
    }
  } else if (!(error instanceof ConnectionError)) {
    line.rpc.dispose(); // the pipe broke while writing
  }
  return new ConnectionClosed(await line.closed);
}
