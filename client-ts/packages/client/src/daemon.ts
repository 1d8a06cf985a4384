/**
 * The daemon as a child process, which ends with the connection.
 *
 * It has a session of its own, where the platform has sessions: Ctrl-C in a terminal does not reach it.
 * Its environment is an allow list: it does not get the proxy, key and Python variables of the editor.
 */

import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { Transform, type Readable, type TransformCallback, type Writable } from "node:stream";

import { invocation } from "./program.js";

/** How to start the daemon. */
export interface SpawnOptions {
  /** The program; a name is searched on PATH. Default: what `findDaemon` finds; for `spawnDaemon`, `byokd`. */
  command?: string;
  /** Its arguments. Default: `["--stdio"]`. */
  args?: readonly string[];
  /** Data folder, instead of the platform's default. */
  dataDir?: string;
  /** Configuration file, instead of the platform's default. */
  config?: string;
  /** Names of more variables of this process to pass on. */
  inheritEnv?: readonly string[];
  /** Variables to set, with their values. */
  env?: Readonly<Record<string, string>>;
  /** How long to wait for the daemon to exit before it gets SIGTERM. Default: 2500 ms. */
  graceMs?: number;
  /** Called with each piece of the daemon's log. The log never has a secret. */
  onStderr?: (text: string) => void;
}

/** The two streams of a connection, named from the side of the client. */
export interface DaemonStreams {
  /** The daemon's output. */
  input: Readable;
  /** The daemon's input. */
  output: Writable;
}

/** How the process ended: `stderr` is the end of its log, `error` is set if it did not start. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
  stderr: string;
  error?: Error;
}

/** A running daemon. */
export interface Daemon extends DaemonStreams {
  readonly pid: number | undefined;
  /** What the program printed before its first message; null as soon as there is one. */
  preamble(): string | null;
  /** Resolves when the process has exited or did not start; never rejects. */
  readonly exited: Promise<Exit>;
  /**
   * Close its input and wait until it exits: SIGTERM after `graceMs`, SIGKILL one second later. Both
   * also reach the processes that it started.
   */
  stop(graceMs?: number): Promise<Exit>;
}

const INHERITED = [
  ...["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ"],
  ...["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"],
  ...["DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "XDG_CURRENT_DESKTOP"],
  ...["SYSTEMROOT", "WINDIR", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "USERPROFILE"],
  ...["USERNAME", "USERDOMAIN", "HOMEDRIVE", "HOMEPATH", "TEMP", "TMP", "PATHEXT"],
] as const;

const HAS_SESSIONS = process.platform !== "win32"; // there, `detached` opens a console window
const STDERR_TAIL_CHARS = 8192;
const PREAMBLE_MAX_BYTES = 64 * 1024;
const GRACE_MS = 2500;
const KILL_AFTER_MS = 1000;
const PIPES_CLOSE_AFTER_MS = 500; // a child of the daemon may still have them open

/** Start the daemon. If the program cannot be started, `exited` resolves with the error. */
export function spawnDaemon(options: SpawnOptions = {}): Daemon {
  const { command, args, windowsVerbatimArguments } = invocation(options.command ?? "byokd", argumentsOf(options));
  const child = spawn(command, args, {
    cwd: startFolder(),
    detached: HAS_SESSIONS,
    env: childEnvironment(options),
    stdio: ["pipe", "pipe", "pipe"],
    windowsHide: true,
    windowsVerbatimArguments,
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-STDERR_TAIL_CHARS);
    options.onStderr?.(text);
  });
  child.stdin.on("error", () => {}); // `exited` reports the end of the daemon
  const exited = new Promise<Exit>((resolve) => {
    child.on("error", (error) => resolve({ code: null, signal: null, stderr, error }));
    child.on("close", (code, signal) => resolve({ code, signal, stderr }));
    child.on("exit", (code, signal) => {
      // `setImmediate`: read the bytes that are in the pipes first, even if the timer is late.
      setTimeout(() => setImmediate(() => resolve({ code, signal, stderr })), PIPES_CLOSE_AFTER_MS).unref();
    });
  });
  const stop = async (graceMs = options.graceMs ?? GRACE_MS): Promise<Exit> => {
    child.stdin.end();
    const term = setTimeout(() => signalAll(child, "SIGTERM"), graceMs);
    const kill = setTimeout(() => signalAll(child, "SIGKILL"), graceMs + KILL_AFTER_MS);
    const exit = await exited;
    clearTimeout(term);
    clearTimeout(kill);
    return exit;
  };
  const input = child.stdout.pipe(new PreambleSkipper());
  return { pid: child.pid, input, output: child.stdin, preamble: () => input.preamble, exited, stop };
}

/** Send a signal to the daemon and, where it has a session of its own, to its children. */
function signalAll(child: ChildProcess, signal: NodeJS.Signals): void {
  if (!HAS_SESSIONS || child.pid === undefined) return void child.kill(signal);
  if (child.exitCode !== null || child.signalCode !== null) return; // the number may be another process's by now
  try {
    process.kill(-child.pid, signal);
  } catch {
    child.kill(signal);
  }
}

function argumentsOf({ args = ["--stdio"], dataDir, config }: SpawnOptions): string[] {
  return [
    ...args,
    ...(dataDir === undefined ? [] : ["--data-dir", dataDir]),
    ...(config === undefined ? [] : ["--config", config]),
  ];
}

/** Return the folder to start a program in: not the workspace, so that nothing is started from it. */
export function startFolder(): string {
  return existsSync(homedir()) ? homedir() : tmpdir(); // a missing folder would look like a missing program
}

/** Return the variables that a program gets. */
export function childEnvironment({ inheritEnv = [], env = {} }: SpawnOptions = {}): NodeJS.ProcessEnv {
  const names = [...INHERITED, ...inheritEnv].filter((name) => process.env[name] !== undefined);
  return { ...Object.fromEntries(names.map((name) => [name, process.env[name]])), ...env };
}

/**
 * Drops the text that a shell profile or a package tool prints before the first message.
 *
 * Fails after 64 KiB without a message: the program is not a byokd daemon.
 */
class PreambleSkipper extends Transform {
  #head: Buffer | undefined = Buffer.alloc(0);

  get preamble(): string | null {
    return this.#head === undefined ? null : this.#head.toString("utf8");
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    if (this.#head === undefined) return done(null, chunk);
    this.#head = Buffer.concat([this.#head, chunk]);
    const start = this.#head.indexOf("Content-");
    if (start >= 0) {
      const frames = this.#head.subarray(start);
      this.#head = undefined;
      return done(null, frames);
    }
    if (this.#head.byteLength > PREAMBLE_MAX_BYTES) {
      return done(new Error("the program does not speak the protocol: check the command"));
    }
    return done();
  }
}
