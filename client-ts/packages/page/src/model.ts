/** What the page knows: providers, keys, the vault, and open questions of the daemon. */

import type { BackupInfo, ChatEvents, ErrorData, ListedKey, ProviderInfo, VaultInfo } from "../../client/src/generated.js";
import { Host, HostError, type HostMessage, type Place } from "./host.js";

export type View =
  | { name: "providers"; provider: string | null }
  | { name: "vault" }
  | { name: "audit" }
  | { name: "import" };

export interface Question {
  id: string;
  message: string;
  titles: readonly string[];
  keyId: string | null;
  provider: string | null;
}

export interface State {
  connected: boolean;
  ended: string | null;
  /** `browser` or `vscode`; null until the host has sent it. */
  host: string | null;
  /** Whether the host has a chat of its own, which answers the first question. */
  opensChat: boolean;
  /** On which machine keys are kept, if that has to be said. */
  machine: string | null;
  /** The daemon is being started. */
  starting: boolean;
  /** Why there is no daemon, and the titles of what mends it. */
  unavailable: { message: string; actions: readonly string[] } | null;
  loaded: boolean;
  failure: ErrorData | null;
  providers: readonly ProviderInfo[];
  keys: readonly ListedKey[];
  vault: VaultInfo | null;
  backups: readonly BackupInfo[];
  questions: readonly Question[];
  view: View;
  /** The key whose form a question or the host opened. */
  updating: string | null;
  /** The provider for which the host opened the form of a new key. */
  adding: string | null;
  /** Grows when the models of a provider may have changed. */
  modelsVersion: number;
  auditVersion: number;
  firstTime: boolean;
}

const START: State = {
  connected: false,
  ended: null,
  host: null,
  opensChat: false,
  machine: null,
  starting: false,
  unavailable: null,
  loaded: false,
  failure: null,
  providers: [],
  keys: [],
  vault: null,
  backups: [],
  questions: [],
  view: { name: "providers", provider: null },
  updating: null,
  adding: null,
  modelsVersion: 0,
  auditVersion: 0,
  firstTime: false,
};

const UPDATE_KEY = "Update key";

export class Model {
  state: State = START;
  readonly #listeners = new Set<() => void>();
  /** Where the host sends the page as soon as it is loaded. */
  #at: Place | undefined;

  constructor(readonly host: Host) {
    host.listen((message) => void this.#take(message));
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  set(change: Partial<State>): void {
    this.state = { ...this.state, ...change };
    for (const listener of this.#listeners) listener();
  }

  provider(id: string): ProviderInfo | undefined {
    return this.state.providers.find((item) => item.id === id);
  }

  keysOf(provider: string): readonly ListedKey[] {
    return this.state.keys.filter((key) => key.provider === provider);
  }

  show(view: View, updating: string | null = null): void {
    this.set({ view, updating, firstTime: false });
  }

  /** Go where the host says; a key of which only the id is known is looked up. */
  go(at: Place): void {
    if (!this.state.loaded) return void (this.#at = at);
    const { view, provider = null, keyId = null } = at;
    const key = this.state.keys.find((item) => item.keyId === keyId);
    const of = key?.provider ?? provider;
    if (view === "addKey" && of === null) return this.set({ firstTime: true });
    const name = view === "addKey" ? "providers" : view;
    this.set({
      firstTime: false,
      view: name === "providers" ? { name, provider: of } : { name },
      updating: keyId,
      adding: view === "addKey" ? of : null,
    });
  }

  async load(): Promise<void> {
    try {
      const [providers, vault] = await Promise.all([
        this.#all("provider/list", {}),
        this.host.request("vault/status", {}),
      ]);
      this.set({ providers: providers as ProviderInfo[], vault: vault.vault, backups: vault.backups, failure: null });
      await this.loadKeys();
      const { vault: now, keys, loaded, firstTime } = this.state;
      // A daemon that was started again does not take the person elsewhere.
      this.set({ loaded: true, firstTime: loaded ? firstTime : canBegin(now) && keys.length === 0 });
    } catch (error) {
      this.set({ failure: errorData(error), loaded: true });
    }
  }

  /** Read the keys again; a locked vault keeps the last ones. */
  async loadKeys(): Promise<void> {
    try {
      this.set({ keys: (await this.#all("key/list", {})) as ListedKey[] });
    } catch (error) {
      if (!(error instanceof HostError)) throw error;
      if (error.data.kind === "vaultUninitialized") this.set({ keys: [] });
    }
  }

  /** The person is back on the page: other programs may have used keys. */
  returned(): void {
    const { loaded, connected, ended, unavailable } = this.state;
    if (loaded && connected && ended === null && unavailable === null) void this.loadKeys();
  }

  async loadVault(): Promise<void> {
    const { vault, backups } = await this.host.request("vault/status", {});
    this.set({ vault, backups });
  }

  /** Answer a question; "Update key" opens the form of its key. */
  answer(question: Question, title: string | null): void {
    this.host.answer(question.id, title);
    this.set({ questions: this.state.questions.filter((other) => other.id !== question.id) });
    if (title === UPDATE_KEY && question.provider && question.keyId) {
      this.show({ name: "providers", provider: question.provider }, question.keyId);
    }
  }

  async #all(method: "provider/list" | "key/list", params: object): Promise<unknown[]> {
    const items: unknown[] = [];
    let cursor: string | null = null;
    do {
      const page: { items: readonly unknown[]; nextCursor: string | null } = await this.host.request(method, {
        ...params,
        cursor,
      });
      items.push(...page.items);
      cursor = page.nextCursor;
    } while (cursor !== null);
    return items;
  }

  async #take(message: HostMessage): Promise<void> {
    switch (message.type) {
      case "hello":
        return this.#hello(message);
      case "starting":
        return this.set({ starting: true });
      case "unavailable":
        return this.set({ starting: false, unavailable: { message: message.message, actions: message.actions } });
      case "show":
        return this.go(message.at);
      case "ended":
        return this.set({ ended: message.reason });
      case "question":
        return this.#question(message);
      case "withdrawn":
        return this.set({ questions: this.state.questions.filter((other) => other.id !== message.id) });
      case "notification":
        return this.#notification(message.method, message.params);
      case "used":
        return this.loadKeys();
    }
  }

  async #hello({ host, opensChat = false, machine, at }: Extract<HostMessage, { type: "hello" }>): Promise<void> {
    this.set({ connected: true, host, opensChat, machine: machine ?? null, starting: false, unavailable: null });
    if (at) this.go(at);
    await this.load();
    if (this.#at) this.go(this.#at);
    this.#at = undefined;
  }

  #question({ id, params }: Extract<HostMessage, { type: "question" }>): void {
    const question: Question = {
      id,
      message: params.message,
      titles: params.actions.map((action) => action.title),
      keyId: params._meta?.keyId ?? null,
      provider: params._meta?.provider ?? null,
    };
    this.set({ questions: [...this.state.questions, question] });
  }

  async #notification(method: string, params: unknown): Promise<void> {
    const { modelsVersion, auditVersion } = this.state;
    switch (method) {
      case "key/changed":
        this.set({ auditVersion: auditVersion + 1 });
        return this.loadKeys();
      case "chat/events": // when the key was used last changes with each answer
        return hasFinish(params as ChatEvents) ? this.loadKeys() : undefined;
      case "vault/changed":
        this.set({ vault: withChoices((params as { vault: VaultInfo }).vault, this.state.vault) });
        return this.state.loaded ? this.loadKeys() : undefined;
      case "model/changed":
        return this.set({ modelsVersion: modelsVersion + 1 });
      case "catalog/changed":
        this.set({ providers: (await this.#all("provider/list", {})) as ProviderInfo[], modelsVersion: modelsVersion + 1 });
    }
  }
}

const hasFinish = ({ events }: ChatEvents): boolean => events.some((event) => event.type === "finish");

/** Whether a first key can be stored: the vault is open, or there is none yet. */
const canBegin = (vault: VaultInfo | null): boolean => vault?.state === "uninitialized" || vault?.state === "unlocked";

/** A notification leaves out the choices of an open vault, which do not change with it. */
const withChoices = (vault: VaultInfo, before: VaultInfo | null): VaultInfo =>
  vault.state === "unlocked" && vault.choices.length === 0 ? { ...vault, choices: before?.choices ?? [] } : vault;

/** The data of an error answer; of another error, an empty one with its text. */
export function errorData(error: unknown): ErrorData {
  if (error instanceof HostError) return error.data;
  throw error;
}
