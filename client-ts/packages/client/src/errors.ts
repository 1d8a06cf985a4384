/**
 * What a call can fail with.
 *
 * `ByokdError` is an answer: the daemon says no, and `kind` says why. The other two mean that there
 * was no proper answer: the daemon is gone, or something broke the contract.
 */

import type { Exit } from "./daemon.js";
import type { ErrorData, ErrorKind, Open } from "./generated.js";

/** An error answer of the daemon. Branch on `kind`; `message` is a sentence for a person. */
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

/** The daemon ended or could not be started; `exit` tells how, where that is known. */
export class ConnectionClosed extends Error {
  override readonly name = "ConnectionClosed";

  constructor(readonly exit?: Exit) {
    super(`the connection to the daemon is closed${exit ? `: ${describe(exit)}` : ""}`);
  }
}

/** The other side is not a byokd daemon of this protocol, or broke the protocol's rules. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

function describe(exit: Exit): string {
  if (exit.error) return `cannot run it: ${exit.error.message}`;
  const how = exit.signal ? `ended by ${exit.signal}` : `exit code ${exit.code}`;
  const lastLine = exit.stderr.trimEnd().split("\n").at(-1);
  return lastLine ? `${how}, last words: ${lastLine}` : how;
}

/** Whether a value from the wire is `error.data` as the contract promises it. */
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
