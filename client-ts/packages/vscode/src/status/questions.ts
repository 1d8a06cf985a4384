/**
 * Where a question of the daemon is shown: on the page while a person can see it, else as a
 * notification, and never in both places.
 *
 * VS Code cannot take a notification away. The button of one whose question was withdrawn does by
 * itself what it says.
 *
 * It needs no VS Code: `QuestionPlaces` are the places.
 */

import type { ShowMessageRequest } from "@byokd/client";
import type { Disposable, Event } from "vscode";

import type { Place } from "../../../page/src/host.js";
import type { DaemonService } from "../daemon/service.js";

export interface QuestionPlaces {
  /** The page, if a person can see it now. */
  page: () => { ask(params: ShowMessageRequest, signal: AbortSignal): Promise<string | null> } | undefined;
  onDidChangeVisibility: Event<void>;
  /** Show a notification; resolves with the chosen title. */
  notify: (params: ShowMessageRequest) => PromiseLike<string | undefined>;
  open: (at: Place) => void;
  /** Show that something a person asked for failed. */
  fail: (error: unknown) => void;
}

/** The titles of the daemon that a client acts on. */
const UPDATE_KEY = "Update key";
const ENABLE = "Re-enable";
const REFRESH = "Refresh";

export class Questions {
  readonly #daemon: DaemonService;
  readonly #places: QuestionPlaces;

  constructor(daemon: DaemonService, places: QuestionPlaces) {
    this.#daemon = daemon;
    this.#places = places;
    daemon.onPrompt((params, signal) => this.ask(params, signal));
  }

  /** Show a question; resolves with the chosen title, or null. */
  async ask(params: ShowMessageRequest, signal: AbortSignal): Promise<string | null> {
    for (let page = this.#places.page(); page; page = this.#places.page()) {
      const hidden = new AbortController();
      const watch = this.#places.onDidChangeVisibility(() => {
        if (this.#places.page() !== page) hidden.abort();
      });
      const title = await page.ask(params, AbortSignal.any([signal, hidden.signal])).finally(() => watch.dispose());
      if (title !== null || signal.aborted || !hidden.signal.aborted) return title; // the page opens the form itself
    }
    return this.#notify(params, signal);
  }

  async #notify(params: ShowMessageRequest, signal: AbortSignal): Promise<string | null> {
    let withdrawn: Disposable["dispose"] = () => {};
    const gone = new Promise<null>((resolve) => {
      withdrawn = () => resolve(null);
      signal.addEventListener("abort", withdrawn);
    });
    const chosen = Promise.resolve(this.#places.notify(params)).then((title) => {
      signal.removeEventListener("abort", withdrawn);
      if (title === UPDATE_KEY) this.#openForm(params);
      else if (title !== undefined && signal.aborted) void this.#act(params, title).catch(this.#places.fail);
      return title ?? null;
    });
    return Promise.race([chosen, gone]);
  }

  #openForm({ _meta }: ShowMessageRequest): void {
    if (_meta?.keyId) this.#places.open({ view: "providers", provider: _meta.provider, keyId: _meta.keyId });
  }

  /** Do what a button says whose question the daemon has withdrawn. */
  async #act({ _meta }: ShowMessageRequest, title: string): Promise<void> {
    if (title === ENABLE && _meta?.keyId) await (await this.#daemon.client()).key.enable({ keyId: _meta.keyId });
    else if (title === REFRESH && _meta?.topic === "catalog") await (await this.#daemon.client()).catalog.refresh();
  }
}
