/**
 * What a person sends with a report of a fault: versions, states and counts.
 *
 * It has no key, no end of a key, no label, no address and no name of the person or of an account.
 */

import type { KeyInfo, VaultInfo } from "@byokd/client";

import type { DaemonSettings } from "./config.js";
import type { DaemonState } from "./daemon/service.js";
import type { WindowPlace } from "./machine.js";

export interface Facts {
  versions: Readonly<Record<"extension" | "vscode" | "node", string>>;
  /** Such as `linux x64`. */
  system: string;
  /** The kind of VS Code, such as `desktop` or `server-distro`. */
  host: string;
  place: WindowPlace;
  isTrusted: boolean;
  settings: DaemonSettings;
  daemon: DaemonState;
  /** What a running daemon answers; undefined if none answers. */
  store: { vault: VaultInfo; keys: readonly KeyInfo[] } | undefined;
  /** The home folder, which has the person's name in it. */
  home: string;
}

export function diagnosticsOf(facts: Facts): string {
  const lines = [...programLines(facts), ...daemonLines(facts.daemon), ...storeLines(facts.store)];
  return lines.map((line) => withoutHome(line, facts.home)).join("\n") + "\n";
}

function programLines({ versions, system, host, place, isTrusted, settings }: Facts): string[] {
  return [
    `byokd extension: ${versions.extension}`,
    `VS Code: ${versions.vscode} (${host}), node ${versions.node}, ${system}`,
    `window: ${windowOf(place)}, extension ${place.runsAtWorkspace ? "at the workspace" : "where the person sits"}, workspace ${isTrusted ? "trusted" : "not trusted"}`,
    `settings: executable ${isSet(settings.executable)}, configFile ${isSet(settings.configFile)}, account ${settings.account === "default" ? "default" : "another"}`,
  ];
}

/** The kind of remote; in a browser its name is the address of the server, which is left out. */
function windowOf({ remoteName = "local", isWeb }: WindowPlace): string {
  return isWeb ? "browser" : /^[a-z-]+$/.test(remoteName) ? remoteName : "remote";
}

const isSet = (value: string | undefined): string => (value === undefined ? "not set" : "set");

function daemonLines(state: DaemonState): string[] {
  const lines = [`daemon: ${state.type}`];
  if ("program" in state) {
    const { command, place } = state.program;
    lines.push(`program: ${command} (${place})`);
  }
  if (state.type === "running") {
    const { protocolVersion, features, warnings } = state.server;
    lines.push(`version: ${state.version.text ?? "not known"}${state.version.isOutdated ? " (older than the extension)" : ""}`);
    const on = Object.entries(features).filter(([, value]) => value === true);
    lines.push(`protocol: ${protocolVersion}; features: ${on.map(([name]) => name).join(", ") || "none"}; warnings: ${warnings.length}`);
  }
  if (state.type === "restarting") lines.push(`crashes: ${state.crashes}`);
  if ("error" in state) lines.push(`error: ${withoutAddresses(state.error.message)}`);
  return lines;
}

function storeLines(store: Facts["store"]): string[] {
  if (!store) return ["vault: not known"];
  const { state, protection, degraded, reason, audit, slots } = store.vault;
  const kinds = slots.map((slot) => `${slot.kind} ${slot.state}`).join(", ") || "none";
  const vault = `vault: ${state}, protection ${protection ?? "none"}${degraded ? " (degraded)" : ""}, reason ${reason ?? "none"}, audit ${audit ?? "not checked"}`;
  return [vault, `slots: ${kinds}`, ...keyLines(store.keys)];
}

/** One line for each provider: how many keys are in which state. */
function keyLines(keys: readonly KeyInfo[]): string[] {
  const states = new Map<string, Map<string, number>>();
  for (const { provider, state } of keys) {
    const counts = states.get(provider) ?? new Map<string, number>();
    states.set(provider, counts.set(state, (counts.get(state) ?? 0) + 1));
  }
  if (states.size === 0) return ["keys: none"];
  return [...states].toSorted().map(([provider, counts]) => `keys of ${provider}: ${[...counts].map(([state, count]) => `${count} ${state}`).join(", ")}`);
}

/** An error may quote an address with a name or a token in it. */
function withoutAddresses(text: string): string {
  return text.replace(/\b[a-z][a-z0-9+.-]*:\/\/[^\s"'<>]+/gi, "<address>");
}

function withoutHome(line: string, home: string): string {
  return home.length > 1 ? line.replaceAll(home, "~") : line;
}
