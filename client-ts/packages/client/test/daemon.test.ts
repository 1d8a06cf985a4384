/** The child process: what it is given, how it may fail, and that it never stays behind. */

import assert from "node:assert/strict";
import { homedir } from "node:os";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { Client, ConnectionClosed, spawnDaemon, type StartOptions } from "../src/index.js";

const STUB = fileURLToPath(new URL("../testing/stub.js", import.meta.url));

function stub(mode: string, options: StartOptions = {}): StartOptions {
  return { command: process.execPath, args: [STUB, mode], ...options };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test("start, call, close: the process is gone", async () => {
  const client = await Client.start(stub("good"));
  await client.vault.status();
  await client.close();
  assert.deepEqual(await client.closed, { code: 0, signal: null, stderr: "" });
});

test("it gets folders, no variable of the editor's but the listed, and no workspace", async () => {
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
  const told = (await client.vault.status()) as unknown as {
    argv: string[];
    env: Record<string, string>;
    cwd: string;
  };
  await client.close();
  assert.deepEqual(told.argv, ["--data-dir", "/data", "--config", "/config.toml"]);
  assert.equal(told.cwd, homedir());
  assert.equal(told.env["BYOKD_TEST_PROXY"], undefined);
  assert.equal(told.env["BYOKD_TEST_WANTED"], "yes");
  assert.equal(told.env["BYOKD_TEST_SET"], "1");
  assert.equal(told.env["PATH"], process.env["PATH"]);
});

test("what a shell prints before the first frame is skipped", async () => {
  const client = await Client.start(stub("banner"));
  await client.close();
});

test("a program that does not exist", async () => {
  await assert.rejects(Client.start({ command: "/nowhere/byokd" }), (error: unknown) => {
    assert.ok(error instanceof ConnectionClosed);
    assert.match(error.message, /cannot run it: .*ENOENT/);
    return true;
  });
});

test("a program that speaks something else is ended", async () => {
  await assert.rejects(Client.start(stub("prose")), ConnectionClosed);
});

test("a program that fails tells its last words", async () => {
  await assert.rejects(Client.start(stub("crash")), (error: unknown) => {
    assert.ok(error instanceof ConnectionClosed);
    assert.equal(error.exit?.code, 3);
    assert.match(error.message, /exit code 3, last words: the disk is on fire/);
    return true;
  });
});

test("a daemon that dies in a call rejects it and closes", async () => {
  const client = await Client.start(stub("good"));
  await assert.rejects(client.key.list(), (error: unknown) => {
    assert.ok(error instanceof ConnectionClosed);
    assert.equal(error.exit?.code, 5);
    return true;
  });
  await client.close();
});

test("a daemon that will not go is ended", async () => {
  const daemon = spawnDaemon(stub("stubborn"));
  const exit = await daemon.stop(200);
  assert.equal(exit.signal, "SIGKILL");
  assert.ok(daemon.pid !== undefined && !isAlive(daemon.pid));
});

test("logs are handed on as they come", async () => {
  let log = "";
  await assert.rejects(Client.start(stub("crash", { onStderr: (text) => (log += text) })));
  assert.equal(log, "starting\nthe disk is on fire\n");
});
