/**
 * The daemon as a child process: started with little, and never left behind.
 *
 * It gets an allow-listed environment: no proxy, key or Python variable of the editor reaches it.
 */

import { spawn } from "node:child_process";
import { homedir } from "node:os";
import { Transform, type Readable, type TransformCallback, type Writable } from "node:stream";

/** How to start the daemon. */
export interface SpawnOptions {
  /** The program; found on PATH when it has no separator. Default: `byokd`. */
  command?: string;
  /** Its arguments. Default: `["--stdio"]`. */
  args?: readonly string[];
  /** Folder of the vault and the ledger, instead of the platform's own. */
  dataDir?: string;
  /** Configuration file, instead of the platform's own. */
  config?: string;
  /** Names of further variables to pass on from this process. */
  inheritEnv?: readonly string[];
  /** Variables to set. */
  env?: Readonly<Record<string, string>>;
  /** How long the daemon may take to end by itself before it is killed. Default: 2500 ms. */
  graceMs?: number;
  /** Gets the daemon's log as it is written. It never holds a secret. */
  onStderr?: (text: string) => void;
}

/** The two ends of a connection, as the client sees them. */
export interface DaemonStreams {
  /** What the daemon writes. */
  input: Readable;
  /** What the daemon reads. */
  output: Writable;
}

/** How the process ended; `stderr` is the end of its log. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
  stderr: string;
  error?: Error;
}

/** A running daemon. */
export interface Daemon extends DaemonStreams {
  readonly pid: number | undefined;
  /** Resolves when the process is gone; never rejects. */
  readonly exited: Promise<Exit>;
  /** Close its input and wait for the end; after `graceMs` it is killed. */
  stop(graceMs?: number): Promise<Exit>;
}

const INHERITED = [
  ...["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ"],
  ...["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"],
  ...["DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "XDG_CURRENT_DESKTOP"],
  ...["SYSTEMROOT", "WINDIR", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "USERPROFILE"],
  ...["USERNAME", "USERDOMAIN", "HOMEDRIVE", "HOMEPATH", "TEMP", "TMP", "PATHEXT"],
] as const;

const STDERR_KEPT_CHARS = 8192;
const PREAMBLE_MAX_BYTES = 64 * 1024;
const GRACE_MS = 2500;
const KILL_AFTER_MS = 1000;
const PIPES_CLOSE_AFTER_MS = 500; // something it started may hold them open

/** Start the daemon. Failing to start is an exit too: see `exited`. */
export function spawnDaemon(options: SpawnOptions = {}): Daemon {
  const child = spawn(options.command ?? "byokd", argumentsOf(options), {
    cwd: homedir(), // never a workspace: a program must not be found beside the code being edited
    env: environmentOf(options),
    stdio: ["pipe", "pipe", "pipe"],
    windowsHide: true,
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-STDERR_KEPT_CHARS);
    options.onStderr?.(text);
  });
  child.stdin.on("error", () => {}); // a daemon that is gone reports itself through `exited`
  const exited = new Promise<Exit>((resolve) => {
    child.on("error", (error) => resolve({ code: null, signal: null, stderr, error }));
    child.on("close", (code, signal) => resolve({ code, signal, stderr }));
    child.on("exit", (code, signal) => {
      // `setImmediate`: what the pipes hold already is read first, however late the timer runs.
      setTimeout(() => setImmediate(() => resolve({ code, signal, stderr })), PIPES_CLOSE_AFTER_MS).unref();
    });
  });
  const stop = async (graceMs = options.graceMs ?? GRACE_MS): Promise<Exit> => {
    child.stdin.end();
    const term = setTimeout(() => child.kill("SIGTERM"), graceMs);
    const kill = setTimeout(() => child.kill("SIGKILL"), graceMs + KILL_AFTER_MS);
    const exit = await exited;
    clearTimeout(term);
    clearTimeout(kill);
    return exit;
  };
  const input = child.stdout.pipe(new PreambleSkipper());
  return { pid: child.pid, input, output: child.stdin, exited, stop };
}

function argumentsOf({ args = ["--stdio"], dataDir, config }: SpawnOptions): string[] {
  return [
    ...args,
    ...(dataDir === undefined ? [] : ["--data-dir", dataDir]),
    ...(config === undefined ? [] : ["--config", config]),
  ];
}

function environmentOf({ inheritEnv = [], env = {} }: SpawnOptions): NodeJS.ProcessEnv {
  const names = [...INHERITED, ...inheritEnv].filter((name) => process.env[name] !== undefined);
  return { ...Object.fromEntries(names.map((name) => [name, process.env[name]])), ...env };
}

/**
 * Drops what a shell profile or a package tool prints before the first frame.
 *
 * At most 64 KiB: a program that never speaks the protocol is an error, not something to wait for.
 */
class PreambleSkipper extends Transform {
  #head: Buffer | undefined = Buffer.alloc(0);

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
      return done(new Error("the program started does not speak the protocol"));
    }
    return done();
  }
}
