/** The one daemon of a window, with the real daemon. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";

import { Daemon, type DaemonOptions, type DaemonState } from "../src/daemon/service.js";
import { readManifest } from "../testing/manifest.js";
import { DaemonUnavailable } from "../src/daemon/unavailable.js";
import type { Program } from "../src/daemon/find.js";

const PYTHON = process.env["BYOKD_PYTHON"];
const SKIP = PYTHON ? false : "BYOKD_PYTHON is not set";
const { version: VERSION } = await readManifest();
const NEWER = { name: "vscode", version: "999.0.0" };
const LIMIT = { timeout: 120_000, skip: SKIP };

async function real(t: TestContext, options: Partial<DaemonOptions> = {}) {
  const dataDir = await mkdtemp(join(tmpdir(), "byokd-vscode-"));
  const program: Program = {
    command: PYTHON ?? "",
    args: ["-I", "-X", "utf8", "-m", "byokd.testing", "--stdio", "--data-dir", dataDir],
    place: "path",
  };
  const states: DaemonState["type"][] = [];
  const daemon = new Daemon({
    settings: () => ({ executable: undefined, configFile: undefined, account: "default" }),
    find: () => Promise.resolve({ program }),
    offerInstall: () => Promise.resolve(false),
    clientInfo: { name: "vscode", version: VERSION },
    onStderr: () => {},
    ...options,
  });
  daemon.onDidChangeState(({ type }) => states.push(type));
  t.after(async () => {
    await daemon.dispose();
    await rm(dataDir, { recursive: true });
  });
  return { daemon, states, program };
}

test("callers at once share one daemon, and listeners outlive a restart", LIMIT, async (t) => {
  const { daemon, states } = await real(t);
  const changes: string[] = [];
  const locked = new Promise<void>((resolve) => {
    daemon.onNotification("vault/changed", ({ vault }) => {
      changes.push(vault.state);
      if (vault.state === "locked") resolve();
    });
  });
  const clients = await Promise.all([daemon.client(), daemon.client(), daemon.client()]);
  assert.equal(new Set(clients).size, 1);
  await clients[0]?.vault.initialize({ protection: "keyFile", acceptRisk: "keyFile" });
  await daemon.restart();
  const next = await daemon.client();
  assert.notEqual(next, clients[0]);
  await next.vault.lock();
  await locked;
  assert.deepEqual(states, ["starting", "running", "stopped", "starting", "running"]);
  assert.ok(changes.includes("unlocked"), changes.join());
});

test("a daemon that is missing is offered only to a person who waits", LIMIT, async (t) => {
  let offered = 0;
  let installed: Program | undefined;
  const { daemon, program } = await real(t, {
    find: async () => (installed ? { program: installed } : { program: undefined, message: "it is nowhere" }),
    offerInstall: async () => {
      offered += 1;
      installed = program;
      return true;
    },
  });
  await assert.rejects(daemon.client(), (error) => error instanceof DaemonUnavailable && error.action.command === "byokd.installDaemon");
  assert.deepEqual([offered, daemon.state.type], [0, "notFound"]);
  assert.ok(await daemon.client({ interactive: true }));
  assert.deepEqual([offered, daemon.state.type], [1, "running"]);
});

test("a program that is not byokd is told with its words, and started again only on request", LIMIT, async (t) => {
  let starts = 0;
  const other: Program = { command: process.execPath, args: ["-e", "console.log('hello from another program')"], place: "setting" };
  const { daemon } = await real(t, { find: async () => ((starts += 1), { program: other }) });
  const refused = (error: unknown) =>
    error instanceof DaemonUnavailable && /is not byokd/.test(error.message) && /hello from another program/.test(error.message) && error.action.command === "workbench.action.openSettings";
  await assert.rejects(daemon.client(), refused);
  await assert.rejects(daemon.client(), refused);
  assert.equal(starts, 1);
  await assert.rejects(daemon.client({ interactive: true }), refused);
  assert.equal(starts, 2);
});

test("a daemon that is older than the extension gives place to a newer one", LIMIT, async (t) => {
  const { daemon, program, states } = await real(t, {
    clientInfo: NEWER,
    find: async (_, minVersion) => ({ program: minVersion === undefined ? program : newer }),
  });
  const newer: Program = { ...program, command: program.command.replace(/(?=[^/\\]+$)/, "./"), place: "installPlace" };
  await daemon.client();
  assert.ok(daemon.state.type === "running" && daemon.state.program === newer && !daemon.state.version.isOutdated);
  assert.deepEqual(states, ["starting", "starting", "running"]);
});

test("an older daemon is used, and marked, where there is no newer one", LIMIT, async (t) => {
  const { daemon, program } = await real(t, {
    clientInfo: NEWER,
    find: async (_, minVersion) => (minVersion === undefined ? { program } : { program: undefined, message: "it is older" }),
  });
  await daemon.client();
  assert.ok(daemon.state.type === "running");
  assert.deepEqual(daemon.state.version, { text: VERSION, isOutdated: true });
});

test("a caller that gives up does not end the start for the others", LIMIT, async (t) => {
  const { daemon } = await real(t);
  const abort = new AbortController();
  const impatient = daemon.client({ signal: abort.signal });
  const patient = daemon.client();
  abort.abort(new Error("gave up"));
  await assert.rejects(impatient, /gave up/);
  assert.ok(await patient);
});

test("a daemon that was disposed of is not started again", LIMIT, async (t) => {
  const { daemon } = await real(t);
  const starting = daemon.client();
  await daemon.dispose();
  await assert.rejects(starting, DaemonUnavailable);
  await assert.rejects(daemon.client(), DaemonUnavailable);
});
