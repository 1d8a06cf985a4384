/** A scripted daemon on streams in memory; it records what the client sends. */

import { PassThrough } from "node:stream";

import {
  createMessageConnection,
  ResponseError,
  StreamMessageReader,
  StreamMessageWriter,
  type CancellationToken,
  type MessageConnection,
} from "vscode-jsonrpc/node";

import {
  Client,
  PROTOCOL_VERSION,
  SCHEMA_HASH,
  SEALING_SUITE,
  type ConnectOptions,
  type ErrorData,
  type ErrorKind,
  type Answer,
  type SendResult,
  type ServerOptions,
} from "../src/index.js";

export type Handler = (params: never, token: CancellationToken, rpc: MessageConnection) => unknown;

export interface Fake {
  client: Client;
  rpc: MessageConnection;
  /** Every byte the client wrote, as text. */
  wire: () => string;
  /** Methods and params, in order. */
  seen: [method: string, params: unknown][];
}

/** Connect a client to a daemon that answers with `handlers`. */
export async function connected(
  handlers: Record<string, Handler>,
  options: ConnectOptions = {},
  server: Partial<ServerOptions> = {},
): Promise<Fake> {
  const [up, down] = [new PassThrough(), new PassThrough()];
  const written: Buffer[] = [];
  up.on("data", (chunk: Buffer) => written.push(chunk));
  const seen: [string, unknown][] = [];
  const rpc = createMessageConnection(new StreamMessageReader(up), new StreamMessageWriter(down));
  const usual: Record<string, Handler> = { initialize: () => answerTo(server), shutdown: () => null };
  for (const [method, handler] of Object.entries({ ...usual, ...handlers })) {
    rpc.onRequest(method, (params: unknown, token: CancellationToken) => {
      seen.push([method, params]);
      return handler(params as never, token, rpc);
    });
  }
  rpc.onNotification((method, params) => void seen.push([method, params]));
  rpc.listen();
  const client = await Client.connect({ input: down, output: up }, options);
  return { client, rpc, wire: () => Buffer.concat(written).toString(), seen };
}

/** Wait until the client cancels; it may have done so before the handler ran. */
export async function cancelled(token: CancellationToken): Promise<void> {
  if (token.isCancellationRequested) return;
  await new Promise<void>((resolve) => token.onCancellationRequested(() => resolve()));
}

function answerTo(server: Partial<ServerOptions>): object {
  const byokd: ServerOptions = {
    protocolVersion: PROTOCOL_VERSION,
    schemaHash: SCHEMA_HASH,
    account: "default",
    sealing: { suite: SEALING_SUITE, publicKey: Buffer.alloc(32, 9).toString("base64"), keyId: "k" },
    features: { multiFieldProviders: true, sharedPool: false },
    limits: { maxMessageBytes: 67108864, maxConcurrentStreams: 64 },
    warnings: [],
    vault: {
      state: "checking",
      protection: null,
      degraded: false,
      reason: null,
      hint: null,
      backend: null,
      protectsAgainst: null,
      doesNotProtectAgainst: null,
      choices: [],
      slots: [],
      audit: null,
      anchor: null,
    },
    ...server,
  };
  return { capabilities: { experimental: { byokd } }, serverInfo: { name: "byokd" } };
}

/** An error response of the daemon. */
export function failure(kind: ErrorKind, code: number): ResponseError<ErrorData> {
  return new ResponseError(code, "an error of the fake", {
    kind,
    errorId: "0123456789abcdef",
    retryable: false,
    retryAfterMs: null,
    provider: null,
    model: null,
    keyId: null,
    httpStatus: null,
    providerCode: null,
    providerMessage: null,
    providerRequestId: null,
    userMessage: "store a key first",
    action: null,
    partial: null,
    details: null,
  });
}

/** The result of a chat with this text. */
export function answer(text: string, unified: SendResult["finishReason"]["unified"] = "stop"): SendResult {
  const message: Answer = {
    role: "assistant",
    content: [{ type: "text", text, providerState: null }],
    providerState: null,
  };
  return {
    message,
    finishReason: { unified, raw: unified },
    usage: null,
    cost: { amount: null, currency: "USD", source: "unknown", asOf: null, basis: null, parts: null },
    route: { provider: "local", model: "m", keyId: null, attempts: 1, failedAttempts: [] },
    warnings: [],
    providerRequestId: null,
  };
}
