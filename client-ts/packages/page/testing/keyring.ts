/** A GNOME keyring on a bus of its own, unlocked as after a login. */

import { execFile, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { promisify } from "node:util";

const PROGRAMS = ["/usr/bin/gnome-keyring-daemon", "/usr/bin/dbus-daemon", "/usr/bin/dbus-send"];
const OWNER = ["--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.NameHasOwner", "string:org.freedesktop.secrets"];

/** Why there can be no keyring here, or false. */
export const NO_KEYRING = PROGRAMS.every((program) => existsSync(program)) ? false : "gnome-keyring is not installed";

/** Start the keyring; return the environment in which a program finds it. */
export async function keyring(t: TestContext): Promise<Record<string, string>> {
  const home = await mkdtemp(join(tmpdir(), "byokd-keyring-"));
  const runtime = join(home, "run");
  await mkdir(runtime, { mode: 0o700 });
  const bus = spawn("/usr/bin/dbus-daemon", ["--session", "--nofork", "--print-address"], { stdio: ["ignore", "pipe", "ignore"] });
  t.after(async () => {
    bus.kill();
    await rm(home, { recursive: true, force: true, maxRetries: 3 });
  });
  let address = "";
  for await (const line of createInterface(bus.stdout)) {
    address = line;
    break;
  }
  const environment = { HOME: home, XDG_RUNTIME_DIR: runtime, DBUS_SESSION_BUS_ADDRESS: address };
  const daemon = spawn("/usr/bin/gnome-keyring-daemon", ["--foreground", "--components=secrets", "--unlock"], {
    env: environment,
    stdio: ["pipe", "ignore", "ignore"],
  });
  t.after(() => void daemon.kill());
  daemon.stdin.end("the login's password");
  const ask = promisify(execFile);
  while (!(await ask("/usr/bin/dbus-send", OWNER, { env: environment })).stdout.includes("boolean true")) {
    // each question waits for the bus
  }
  return environment;
}
