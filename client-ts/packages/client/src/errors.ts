/**
 * The errors of a start and of a call.
 *
 * `ByokdError` is an error answer of the daemon; `kind` gives the reason. The others mean that there
 * was no valid answer.
 */

import type { Exit } from "./daemon.js";
import type { ErrorData, ErrorKind, Open } from "./generated.js";

/** An error answer of the daemon. Branch on `kind`; show `message` to the person. */
export class ByokdError extends Error {
  override readonly name = "ByokdError";

  constructor(
    /** The JSON-RPC code, for logs. */
    readonly code: number,
    readonly data: ErrorData,
  ) {
    super(data.userMessage);
  }

  get kind(): Open<ErrorKind> {
    return this.data.kind;
  }
}

/**
 * Why the program is not running as a daemon of byokd.
 *
 * - `notFound`: there is no such program.
 * - `notStarted`: the system refused to start it.
 * - `exited`: it ended before it answered.
 * - `notByokd`: it answered, or printed, something else: another program or language server.
 * - `otherVersion`: it is byokd and speaks another version of the protocol.
 * - `timeout`: it did not answer in time.
 */
export type StartFailure = "notFound" | "notStarted" | "exited" | "notByokd" | "otherVersion" | "timeout";

/** The daemon could not be started. `message` is a sentence with the last words of its log. */
export class StartError extends Error {
  override readonly name = "StartError";

  constructor(
    readonly reason: StartFailure,
    text: string,
    /** How the process ended, if the client started one: `exit.stderr` is the end of its log. */
    readonly exit?: Exit,
    options?: ErrorOptions,
  ) {
    super(text + lastWords(exit), options);
  }
}

/** The daemon ended during a call, or the client was closed; `exit` is set if the client started it. */
export class ConnectionClosed extends Error {
  override readonly name: string = "ConnectionClosed";

  constructor(
    readonly exit?: Exit,
    text = "the connection to the daemon is closed",
  ) {
    super(exit ? `${text}: ${describe(exit)}${lastWords(exit)}` : text);
  }
}

/** The daemon ended too often and is not started again, unless `Client.restart` is called. */
export class DaemonCrashed extends ConnectionClosed {
  override readonly name = "DaemonCrashed";

  constructor(
    /** How often it ended, failed starts included. */
    readonly crashes: number,
    exit?: Exit,
  ) {
    super(exit, `the daemon crashed ${crashes} times and is not started again`);
  }
}

/** The daemon broke the protocol. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

function describe(exit: Exit): string {
  if (exit.error) return exit.error.message;
  return exit.signal ? `ended by ${exit.signal}` : `exit code ${exit.code}`;
}

function lastWords(exit: Exit | undefined): string {
  const line = exit?.stderr.trimEnd().split("\n").at(-1)?.trim();
  return line ? `; the last line of its log: ${line}` : "";
}

/** Tell whether a received value has the fields of `error.data` that this package uses. */
export function isErrorData(data: unknown): data is ErrorData {
  return (
    typeof data === "object" &&
    data !== null &&
    "kind" in data &&
    typeof data.kind === "string" &&
    "userMessage" in data &&
    typeof data.userMessage === "string"
  );
}
