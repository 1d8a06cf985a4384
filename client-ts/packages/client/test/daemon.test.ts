/** The child process: its arguments and environment, its failures, and its end. */

import assert from "node:assert/strict";
import { homedir } from "node:os";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { Client, ConnectionClosed, spawnDaemon, type Daemon, type StartOptions } from "../src/index.js";

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

test("a program that does not exist is ConnectionClosed with the reason", async () => {
  await assert.rejects(Client.start({ command: "/nowhere/byokd" }), (error: unknown) => {
    assert.ok(error instanceof ConnectionClosed);
    assert.match(error.message, /cannot start the daemon: .*ENOENT/);
    return true;
  });
});

test("a program that does not speak the protocol is killed", async () => {
  // Its output is no longer read, so that it cannot end by itself.
  await assert.rejects(Client.start(stub("prose", { graceMs: 0 })), ConnectionClosed);
});

test("a failed start is ConnectionClosed with the exit code and the last line of the log", async () => {
  await assert.rejects(Client.start(stub("crash")), (error: unknown) => {
    assert.ok(error instanceof ConnectionClosed);
    assert.equal(error.exit?.code, 3);
    assert.match(error.message, /exit code 3, last line of its log: the disk is on fire/);
    return true;
  });
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
