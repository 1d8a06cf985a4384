/** How a program is started. On Windows a batch file needs the shell, and its arguments must be safe there. */

import { StartError } from "./errors.js";

/** What `spawn` and `execFile` take. */
export interface Invocation {
  command: string;
  args: readonly string[];
  windowsVerbatimArguments: boolean;
}

const BATCH_FILE = /\.(cmd|bat)$/i;
const UNSAFE = /["%\r\n]/; // what `cmd.exe` reads inside quotes

/**
 * Return how to start a program.
 *
 * Throws `StartError` if it is a batch file and an argument has a character that the shell would interpret.
 */
export function invocation(path: string, args: readonly string[], platform: NodeJS.Platform = process.platform): Invocation {
  if (platform !== "win32" || !BATCH_FILE.test(path)) return { command: path, args, windowsVerbatimArguments: false };
  const words = [path, ...args];
  if (words.some((word) => UNSAFE.test(word))) {
    throw new StartError("notStarted", `${path} cannot be started: an argument has a quote, a percent sign or a line break`);
  }
  const line = words.map((word) => `"${word}"`).join(" ");
  return { command: process.env["ComSpec"] ?? "cmd.exe", args: ["/d", "/v:off", "/s", "/c", `"${line}"`], windowsVerbatimArguments: true };
}
