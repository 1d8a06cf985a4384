/**
 * The errors of a call.
 *
 * `ByokdError` is an error answer of the daemon; `kind` gives the reason. The others mean that there
 * was no valid answer: `ConnectionClosed` if the daemon ended, `ProtocolError` if it broke the protocol.
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

/** The daemon ended or could not be started; `exit` has the details if the client started it. */
export class ConnectionClosed extends Error {
  override readonly name = "ConnectionClosed";

  constructor(readonly exit?: Exit) {
    super(`the connection to the daemon is closed${exit ? `: ${describe(exit)}` : ""}`);
  }
}

/** The program is not a byokd daemon, has another protocol version, or broke the protocol. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

function describe(exit: Exit): string {
  if (exit.error) return `cannot start the daemon: ${exit.error.message}`;
  const reason = exit.signal ? `ended by ${exit.signal}` : `exit code ${exit.code}`;
  const lastLine = exit.stderr.trimEnd().split("\n").at(-1);
  return lastLine ? `${reason}, last line of its log: ${lastLine}` : reason;
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
