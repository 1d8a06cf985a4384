/** Waiting that can end early. */

import { setTimeout as setTimeoutPromise } from "node:timers/promises";

/** Resolve after a delay; does not keep the process running. */
export function after(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs).unref());
}

/** Resolve after a delay, or when `signal` is aborted; keeps the process running. */
export async function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  await setTimeoutPromise(delayMs, undefined, { signal }).catch(() => {});
}

/** Wait for `promise`; reject with the reason of `signal` if that is aborted before. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
