/**
 * The one daemon of this window: starts on first need, and is started again by the client's
 * supervisor when it ends by itself.
 *
 * It needs no VS Code: `DaemonOptions` has what depends on it.
 */

import {
  Client,
  type ClientInfo,
  type ClientState,
  type Notifications,
  type PromptHandler,
  type ServerOptions,
} from "@byokd/client";
import type { Disposable, Event } from "vscode";

import type { DaemonSettings } from "../config.js";
import { words } from "../words.js";
import { Emitter } from "./emitter.js";
import type { Program, ProgramSearch } from "./find.js";
import { configFile as defaultConfigFile } from "./places.js";
import { DaemonUnavailable, notFound, notStarted, RESTART } from "./unavailable.js";

export type DaemonState =
  /** Nobody has needed it so far, or it was closed. */
  | { type: "stopped" }
  | { type: "starting"; program: Program }
  | { type: "running"; program: Program; server: ServerOptions; version: DaemonVersion }
  /** It ended by itself with `error`, and another one is started after `delayMs`. Calls wait. */
  | { type: "restarting"; program: Program; crashes: number; delayMs: number; error: Error }
  | { type: "notFound"; error: DaemonUnavailable }
  /** It did not start, or ended too often. `restart` tries again. */
  | { type: "failed"; program: Program; error: DaemonUnavailable };

export interface DaemonVersion {
  /** Null if the daemon does not say. */
  text: string | null;
  /** It is older than the extension, and no newer program was found. */
  isOutdated: boolean;
}

export interface ClientRequest {
  /** The person waits for this: offer to install a daemon that is missing, and try one that failed again. */
  interactive?: boolean;
  signal?: AbortSignal;
}

/** The one daemon of this window. */
export interface DaemonService {
  /** The running client; finds and starts the daemon if needed. Rejects with `DaemonUnavailable`, or the reason of the signal. */
  client(request?: ClientRequest): Promise<Client>;
  /** The client, if a daemon runs or is being started again. */
  readonly current: Client | undefined;
  readonly state: DaemonState;
  readonly onDidChangeState: Event<DaemonState>;
  /** Call `listener` for this notification of any daemon that runs, also of later ones. */
  onNotification<N extends keyof Notifications>(name: N, listener: (params: Notifications[N]) => void): Disposable;
  /** Set the handler that shows the daemon's questions; it replaces the one before. */
  onPrompt(handler: PromptHandler): void;
  /** End the daemon, if one runs, and find and start it again. Rejects as `client` does. */
  restart(): Promise<void>;
  /** End the daemon. The next `client` starts another one. */
  stop(): Promise<void>;
  /** End the daemon for good. */
  dispose(): Promise<void>;
}

export interface DaemonOptions {
  settings: () => DaemonSettings;
  /** `minVersion`: pass over programs that are older. */
  find: (executable: string | undefined, minVersion: string | undefined) => Promise<ProgramSearch>;
  /** Offer to install the daemon; resolves with whether it is installed now. */
  offerInstall: (signal: AbortSignal | undefined) => Promise<boolean>;
  /** Its version is that of the daemon in the extension's package. */
  clientInfo: ClientInfo & { version: string };
  onStderr: (text: string) => void;
}

/** A daemon that runs. */
interface Chosen {
  client: Client;
  program: Program;
  /** See `DaemonVersion`. */
  isOutdated: boolean;
}

/** Adds a listener to a client; returns how to remove it. */
type Attach = (client: Client) => () => void;

export class Daemon implements DaemonService {
  readonly #options: DaemonOptions;
  readonly #changed = new Emitter<DaemonState>();
  readonly #listeners = new Map<Attach, () => void>();
  /** Aborted by `stop`; ends the start that is under way. */
  #stop = new AbortController();
  #isDisposed = false;
  #prompt: PromptHandler = () => null;
  #state: DaemonState = { type: "stopped" };
  #client: Client | undefined;
  #starting: Promise<Client> | undefined;

  readonly onDidChangeState: Event<DaemonState> = this.#changed.event;

  constructor(options: DaemonOptions) {
    this.#options = options;
  }

  get state(): DaemonState {
    return this.#state;
  }

  get current(): Client | undefined {
    return this.#client;
  }

  async client({ interactive = false, signal }: ClientRequest = {}): Promise<Client> {
    signal?.throwIfAborted();
    if (this.#state.type === "failed") {
      if (!interactive) throw this.#state.error;
      await orAborted(this.stop(), signal);
    }
    try {
      return await orAborted(this.#started(), signal);
    } catch (error) {
      const isMissing = interactive && this.#state.type === "notFound";
      if (!isMissing || !(await this.#options.offerInstall(signal))) throw error;
      return orAborted(this.#started(), signal);
    }
  }

  onNotification<N extends keyof Notifications>(name: N, listener: (params: Notifications[N]) => void): Disposable {
    const attach: Attach = (client) => client.on(name, listener);
    this.#listeners.set(attach, this.#client ? attach(this.#client) : () => {});
    return {
      dispose: () => {
        this.#listeners.get(attach)?.();
        this.#listeners.delete(attach);
      },
    };
  }

  onPrompt(handler: PromptHandler): void {
    this.#prompt = handler;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.#started();
  }

  async stop(): Promise<void> {
    const [client, starting] = [this.#client, this.#starting];
    this.#client = this.#starting = undefined;
    this.#stop.abort(new DaemonUnavailable(words.daemon.stopped, RESTART));
    this.#stop = new AbortController();
    this.#set({ type: "stopped" });
    await starting?.catch(() => {}); // after a failed start no process is left
    await client?.close();
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true;
    await this.stop();
    this.#listeners.clear();
    this.#changed.dispose();
  }

  /** The client that runs, or the start that is under way, or a new one. */
  #started(): Promise<Client> {
    if (this.#client) return Promise.resolve(this.#client);
    if (this.#isDisposed) return Promise.reject(new DaemonUnavailable(words.daemon.stopped, RESTART));
    if (this.#starting) return this.#starting;
    const starting = this.#start(this.#stop.signal).finally(() => {
      if (this.#starting === starting) this.#starting = undefined;
    });
    return (this.#starting = starting);
  }

  async #start(signal: AbortSignal): Promise<Client> {
    const chosen = await this.#choose(this.#options.settings(), signal);
    if (!signal.aborted) return this.#attach(chosen);
    await chosen.client.close();
    throw signal.reason;
  }

  /** Start the first program that is found; if it is older than the extension, a newer one in its place. */
  async #choose(settings: DaemonSettings, signal: AbortSignal): Promise<Chosen> {
    const { find, clientInfo } = this.#options;
    const search = await find(settings.executable, undefined);
    signal.throwIfAborted();
    if (!search.program) throw this.#failed({ type: "notFound", error: notFound(settings.executable, search.message) });
    const { program } = search;
    const client = await this.#launch(program, settings, signal);
    if (client.version === clientInfo.version) return { client, program, isOutdated: false };
    const newer = await find(settings.executable, clientInfo.version);
    if (!newer.program || newer.program.command === program.command || signal.aborted) {
      return { client, program, isOutdated: !newer.program };
    }
    await client.close();
    return { client: await this.#launch(newer.program, settings, signal), program: newer.program, isOutdated: false };
  }

  async #launch(program: Program, { account, configFile }: DaemonSettings, signal: AbortSignal): Promise<Client> {
    const { clientInfo, onStderr } = this.#options;
    const { command, args } = program;
    this.#set({ type: "starting", program });
    try {
      const config = configFile === undefined ? {} : { config: configFile };
      return await Client.start({ command, args, ...config, account, clientInfo, onStderr, restart: true, signal });
    } catch (error) {
      signal.throwIfAborted();
      throw this.#failed({ type: "failed", program, error: notStarted(error, program, configFile ?? defaultConfigFile()) });
    }
  }

  #attach({ client, program, isOutdated }: Chosen): Client {
    const version = { text: client.version, isOutdated };
    client.onPrompt((...request) => this.#prompt(...request));
    for (const attach of this.#listeners.keys()) this.#listeners.set(attach, attach(client));
    client.onState((state) => {
      if (client === this.#client) this.#follow(state, program, version);
    });
    this.#client = client;
    this.#set({ type: "running", program, server: client.server, version });
    return client;
  }

  #follow(state: ClientState, program: Program, version: DaemonVersion): void {
    switch (state.type) {
      case "running":
        return this.#set({ type: "running", program, server: state.server, version });
      case "restarting":
        return this.#set({ ...state, program });
      case "failed":
        return this.#set({ type: "failed", program, error: new DaemonUnavailable(state.error.message, RESTART, { cause: state.error }) });
      case "closed":
        this.#client = undefined;
        return this.#set({ type: "stopped" });
    }
  }

  #failed(state: DaemonState & { error: DaemonUnavailable }): DaemonUnavailable {
    this.#set(state);
    return state.error;
  }

  #set(state: DaemonState): void {
    this.#state = state;
    this.#changed.fire(state);
  }
}

/** Wait for `promise`; reject with the reason of `signal` if that is aborted before. */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  let abort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
