/** The child process: its arguments and environment, its failures, and its end. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { homedir } from "node:os";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import {
  Client,
  ConnectionClosed,
  spawnDaemon,
  StartError,
  type Daemon,
  type StartFailure,
  type StartOptions,
} from "../src/index.js";

/** Much longer than a shutdown takes, so that the tests do not depend on the speed of the machine. */
const GRACE_MS = 120_000;
const STUB = fileURLToPath(new URL("../testing/stub.js", import.meta.url));

function stub(mode: string, options: StartOptions = {}): StartOptions {
  return { command: process.execPath, args: [STUB, mode], graceMs: GRACE_MS, ...options };
}

/** Start a stub that does not exit by itself; `ready` resolves once it ignores signals. */
function stubborn(): { daemon: Daemon; ready: Promise<void> } {
  let onStderr = (): void => {};
  const ready = new Promise<void>((resolve) => (onStderr = resolve));
  return { daemon: spawnDaemon(stub("stubborn", { onStderr: () => onStderr() })), ready };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test("close ends the daemon with exit code 0", async () => {
  const client = await Client.start(stub("good"));
  await client.vault.status();
  await client.close();
  assert.deepEqual(await client.closed, { code: 0, signal: null, stderr: "" });
});

test("the daemon gets its folders and the listed variables, not the environment and folder of the editor", async () => {
  process.env["BYOKD_TEST_PROXY"] = "http://evil.example";
  process.env["BYOKD_TEST_WANTED"] = "yes";
  const client = await Client.start(
    stub("good", {
      dataDir: "/data",
      config: "/config.toml",
      inheritEnv: ["BYOKD_TEST_WANTED", "BYOKD_TEST_ABSENT"],
      env: { BYOKD_TEST_SET: "1" },
    }),
  );
  const report = (await client.vault.status()) as unknown as {
    argv: string[];
    env: Record<string, string>;
    cwd: string;
  };
  await client.close();
  assert.deepEqual(report.argv, ["--data-dir", "/data", "--config", "/config.toml"]);
  assert.equal(report.cwd, homedir());
  assert.equal(report.env["BYOKD_TEST_PROXY"], undefined);
  assert.equal(report.env["BYOKD_TEST_WANTED"], "yes");
  assert.equal(report.env["BYOKD_TEST_SET"], "1");
  assert.equal(report.env["PATH"], process.env["PATH"]);
});

test("text before the first frame is skipped", async () => {
  const client = await Client.start(stub("banner"));
  await client.close();
});

interface Failure {
  what: string;
  options: StartOptions;
  reason: StartFailure;
  message: RegExp;
}

const NOT_BYOKD: Failure[] = [
  {
    what: "a program that does not exist",
    options: { command: "/nowhere/byokd" },
    reason: "notFound",
    message: /^\/nowhere\/byokd was not \w+: install byokd, or set its path$/,
  },
  {
    what: "a folder",
    options: { command: homedir() },
    reason: "notStarted",
    message: /cannot be started: .*EACCES/,
  },
  {
    what: "a program that exits at once",
    options: stub("crash"),
    reason: "exited",
    message: /ended with exit code 3 before it answered; the last line of its log: the disk is on fire$/,
  },
  {
    what: "a program that prints how it is used and exits",
    options: stub("usage"),
    reason: "notByokd",
    message: /is not byokd; it printed: usage: stub FILE$/,
  },
  {
    what: "a program that prints without end",
    options: stub("prose", { graceMs: 0 }), // its output is no longer read, so that it cannot end by itself
    reason: "notByokd",
    message: /usage: this is some other program/,
  },
  {
    what: "a program whose output looks like a header",
    options: stub("header", { graceMs: 0 }),
    reason: "notByokd",
    message: /sent no messages/,
  },
  {
    what: "a program that repeats what it reads",
    options: { command: process.execPath, args: ["-e", "process.stdin.pipe(process.stdout)"] },
    reason: "notByokd",
    message: /refused to initialize/,
  },
  {
    what: "another language server",
    options: stub("other"),
    reason: "notByokd",
    message: /it calls itself pyright/,
  },
  { what: "a newer daemon", options: stub("newer"), reason: "otherVersion", message: /protocol 2, this client 1/ },
  {
    what: "a program that does not answer",
    options: stub("hang", { startTimeoutMs: 300 }),
    reason: "timeout",
    message: /did not answer within 300 ms/,
  },
];
for (const { what, options, reason, message } of NOT_BYOKD) {
  test(`${what} is a StartError with the reason ${reason}`, async () => {
    await assert.rejects(Client.start(options), (error: unknown) => {
      assert.ok(error instanceof StartError, String(error));
      assert.equal(error.reason, reason);
      assert.match(error.message, message);
      assert.ok(error.exit, "the process has ended");
      return true;
    });
  });
}

test("a start that is aborted rejects with the reason of the signal and leaves no process", async () => {
  const abort = new AbortController();
  let log = "";
  const onStderr = (text: string) => {
    log += text;
    abort.abort(new Error("the editor closes"));
  };
  await assert.rejects(Client.start(stub("hang", { signal: abort.signal, onStderr })), /the editor closes/);
  assert.match(log, /license/);
  await assert.rejects(Client.start(stub("good", { signal: AbortSignal.abort() })), { name: "AbortError" });
});

test("a signal that is aborted after the start changes nothing", async () => {
  const abort = new AbortController();
  const client = await Client.start(stub("good", { signal: abort.signal }));
  abort.abort();
  await client.vault.status();
  await client.close();
});

const NO_SESSIONS = process.platform === "win32" && "this platform has no sessions";

test("Ctrl-C in the terminal of the program does not reach the daemon", { skip: NO_SESSIONS }, async () => {
  const terminal = spawn(process.execPath, [fileURLToPath(new URL("../testing/terminal.js", import.meta.url)), STUB], {
    detached: true, // a process group of its own, as a shell makes for a program
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines: string[] = [];
  for await (const line of createInterface(terminal.stdout)) {
    lines.push(line);
    if (line === "ready") process.kill(-(terminal.pid ?? 0), "SIGINT"); // as a terminal does
  }
  assert.deepEqual(lines, ["ready", "interrupted", "the daemon answers"]);
});

test("what the daemon started ends with it", { skip: NO_SESSIONS }, async () => {
  const script = "require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], " +
    "{ stdio: 'inherit' }); process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.error('ready')";
  let onReady = (): void => {};
  const ready = new Promise<void>((resolve) => (onReady = resolve));
  const daemon = spawnDaemon({ command: process.execPath, args: ["-e", script], onStderr: () => onReady() });
  await ready;
  await daemon.stop(0);
  assert.throws(() => process.kill(-(daemon.pid ?? 0), 0), { code: "ESRCH" });
});

test("a daemon that exits during a call rejects the call", async () => {
  const client = await Client.start(stub("good"));
  await assert.rejects(client.key.list(), (error: unknown) => {
    assert.ok(error instanceof ConnectionClosed);
    assert.equal(error.exit?.code, 5);
    return true;
  });
  await client.close();
});

test("a daemon that ignores the end of its input and SIGTERM is killed", async () => {
  const { daemon, ready } = stubborn();
  await ready; // it ignores SIGTERM from here on
  const exit = await daemon.stop(200);
  assert.equal(exit.signal, "SIGKILL");
  assert.ok(daemon.pid !== undefined && !isAlive(daemon.pid));
});

test("the log is passed on as it is written", async () => {
  let log = "";
  await assert.rejects(Client.start(stub("crash", { onStderr: (text) => (log += text) })));
  assert.equal(log, "starting\nthe disk is on fire\n");
});
