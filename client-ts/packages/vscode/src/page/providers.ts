/**
 * One AI Providers page: its relay, and what it is told about the daemon.
 *
 * It needs no VS Code: a `Shell` is what shows the page.
 */

import type { ShowMessageRequest } from "@byokd/client";
import type { Disposable } from "vscode";

import type { HostMessage, PageMessage, Place } from "../../../page/src/host.js";
import type { DaemonService, DaemonState } from "../daemon/service.js";
import { DaemonUnavailable, remediesOf, RESTART, type Remedy } from "../daemon/unavailable.js";
import { words } from "../words.js";
import { FORWARDED, isId, Relay } from "./relay.js";
import { isObject } from "./secrets.js";
import type { LocalSources } from "./sources.js";

export type OpenChat = Omit<Extract<PageMessage, { type: "openChat" }>, "type">;

/** A text of this length can still be saved: an audit log of some hundred thousand entries. */
const SAVE_MAX_CHARS = 256 * 1024 * 1024;

export interface Shell {
  /** Send a message to the page; settles when the page has it. */
  post: (message: HostMessage) => PromiseLike<unknown>;
  /** Save a text in a file of the person's choice; resolves with false if they chose none, and rejects with an error for people. */
  save: (name: string, text: string) => Promise<boolean>;
  openChat: (chat: OpenChat) => void;
  run: (remedy: Remedy) => void;
  /** On which machine keys are kept, in a window where that has to be said. */
  machine: string | undefined;
}

export class ProvidersPage implements Disposable {
  readonly #daemon: DaemonService;
  readonly #shell: Shell;
  readonly #relay: Relay;
  readonly #subscriptions: Disposable[];
  #isReady = false;
  /** Where the page goes with its first `hello`. */
  #at: Place | undefined;
  #remedies: readonly Remedy[] = [];

  constructor(daemon: DaemonService, local: LocalSources, shell: Shell) {
    this.#daemon = daemon;
    this.#shell = shell;
    this.#relay = new Relay({ daemon: (signal) => daemon.client({ signal }), local, post: shell.post });
    this.#subscriptions = [
      daemon.onDidChangeState((state) => this.#tell(state)),
      ...FORWARDED.map((name) => daemon.onNotification(name, (params) => this.#relay.notify(name, params))),
    ];
  }

  /** Act on a message of the page. What is none is ignored. */
  take(message: unknown): void {
    if (!isObject(message) || this.#relay.take(message)) return;
    const { type, id, name, text, title } = message;
    if (type === "ready") void this.#greet();
    else if (type === "save" && isId(id) && typeof name === "string" && typeof text === "string") void this.#save(id, name, text);
    else if (type === "act") this.#act(title);
    else if (type === "openChat") this.#openChat(message);
  }

  /** Go to a place on the page, at once or as soon as it is loaded. */
  show(at: Place): void {
    if (this.#isReady && this.#daemon.state.type === "running") this.#relay.post({ type: "show", at });
    else this.#at = at;
  }

  /** Ask a question of the daemon on the page; see `Relay.ask`. */
  ask(params: ShowMessageRequest, signal: AbortSignal): Promise<string | null> {
    return this.#relay.ask(params, signal);
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
    this.#relay.close();
  }

  /** The page listens: say what there is, and start a daemon that does not run. */
  async #greet(): Promise<void> {
    this.#isReady = true;
    const { state } = this.#daemon;
    if (state.type !== "stopped" && state.type !== "notFound") return this.#tell(state);
    this.#relay.post({ type: "starting" });
    try {
      await this.#daemon.client();
    } catch (error) {
      if (!(error instanceof DaemonUnavailable)) throw error; // `onDidChangeState` has told the page
    }
  }

  #tell(state: DaemonState): void {
    if (!this.#isReady) return;
    switch (state.type) {
      case "running": {
        const { machine } = this.#shell;
        const at = this.#at;
        this.#at = undefined;
        const { account } = state.server;
        return this.#relay.post({ type: "hello", host: "vscode", account, opensChat: true, ...(machine && { machine }), ...(at && { at }) });
      }
      case "starting":
      case "restarting":
        return this.#relay.post({ type: "starting" });
      case "notFound":
      case "failed":
        return this.#lack(state.error);
      case "stopped":
        return this.#lack(new DaemonUnavailable(words.daemon.stopped, RESTART));
    }
  }

  #lack(error: DaemonUnavailable): void {
    this.#remedies = remediesOf(error);
    this.#relay.post({ type: "unavailable", message: error.message, actions: this.#remedies.map(({ title }) => title) });
  }

  #act(title: unknown): void {
    const remedy = this.#remedies.find((other) => other.title === title);
    if (remedy) this.#shell.run(remedy);
  }

  /** The name is only a proposal, and is never a path. */
  async #save(id: number, name: string, text: string): Promise<void> {
    if (!/^[\w.-]{1,80}$/.test(name)) return this.#relay.refuse(id, "invalidRequest", words.page.refused);
    if (text.length > SAVE_MAX_CHARS) return this.#relay.refuse(id, "invalidRequest", words.page.tooLarge);
    try {
      this.#relay.post({ type: "result", id, result: await this.#shell.save(name, text) });
    } catch (error) {
      this.#relay.refuse(id, "internal", words.page.saveFailed(error instanceof Error ? error.message : String(error)));
    }
  }

  #openChat({ provider, keyId, model, prompt }: Record<string, unknown>): void {
    if (typeof provider !== "string" || typeof model !== "string" || typeof prompt !== "string") return;
    this.#shell.openChat({ provider, model, prompt, keyId: typeof keyId === "string" ? keyId : null });
  }
}
