/** The list of models for VS Code, and when it changes. */

import type { Client, KeyInfo, ModelInfo, ProviderInfo } from "@byokd/client";
import type { Disposable, Event, ThemeIcon } from "vscode";

import { Emitter } from "../daemon/emitter.js";
import type { DaemonService } from "../daemon/service.js";
import { modelsOf, type ByokdModel } from "./information.js";

/** VS Code's model picker waits for the list; a daemon that takes longer to start is told of later. */
const WAIT_MAX_MS = 5000;
/** Several changes at once, such as those after a start, are one for VS Code. */
const QUIET_MS = 100;

export class ModelList implements Disposable {
  readonly #daemon: DaemonService;
  readonly #warningIcon: ThemeIcon;
  readonly #changed = new Emitter<void>();
  readonly #subscriptions: Disposable[];
  #last: readonly ByokdModel[] = [];
  #timer: NodeJS.Timeout | undefined;

  readonly onDidChange: Event<void> = this.#changed.event;

  constructor(daemon: DaemonService, warningIcon: ThemeIcon) {
    this.#daemon = daemon;
    this.#warningIcon = warningIcon;
    const fire = () => this.#fireSoon();
    this.#subscriptions = [
      daemon.onNotification("key/changed", fire),
      daemon.onNotification("model/changed", fire),
      daemon.onNotification("catalog/changed", fire),
      daemon.onNotification("vault/changed", fire),
      daemon.onDidChangeState(({ type }) => type === "starting" || type === "restarting" || fire()),
    ];
  }

  /**
   * The models. Without a daemon none, at once. `interactive`: a person waits, who may be asked to
   * install the daemon; rejects with `DaemonUnavailable` then.
   */
  async models(interactive: boolean, signal?: AbortSignal): Promise<readonly ByokdModel[]> {
    if (interactive) return this.#fetch(await this.#daemon.client({ interactive, ...(signal && { signal }) }));
    const late = timeout(WAIT_MAX_MS);
    try {
      return await Promise.race([this.#silently(), late.promise.then(() => this.#last)]);
    } finally {
      late.clear();
    }
  }

  /** Wait until there is a model, such as after a key was added. Rejects with the reason of the signal. */
  async untilSome(signal: AbortSignal): Promise<readonly ByokdModel[]> {
    for (;;) {
      const changed = once(this.onDidChange, signal);
      const models = await this.models(false);
      if (models.length > 0) return models;
      await changed;
    }
  }

  /** Whether a daemon gave the last list, so that an empty one means that there is no key. */
  get isKnown(): boolean {
    return this.#daemon.current !== undefined;
  }

  /** A model that was listed, by its id for VS Code. */
  get(id: string): ByokdModel | undefined {
    return this.#last.find((model) => model.id === id);
  }

  dispose(): void {
    clearTimeout(this.#timer);
    for (const subscription of this.#subscriptions) subscription.dispose();
    this.#changed.dispose();
  }

  async #silently(): Promise<readonly ByokdModel[]> {
    try {
      return await this.#fetch(await this.#daemon.client());
    } catch {
      return []; // no daemon: the status bar and the view of the keys say so
    }
  }

  async #fetch(client: Client): Promise<readonly ByokdModel[]> {
    const [models, providers] = await Promise.all([allModels(client), allProviders(client)]);
    const keys = models.some(({ keyId }) => keyId !== null) ? await allKeys(client) : [];
    this.#last = modelsOf(
      models,
      {
        providers: new Map(providers.map(({ id, name }) => [id, name])),
        keys: new Map(keys.map(({ keyId, label, origin }) => [keyId, label ?? new URL(origin).host])),
        warningIcon: this.#warningIcon,
      },
      Date.now(),
    );
    return this.#last;
  }

  #fireSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#changed.fire();
    }, QUIET_MS);
  }
}

const allModels = (client: Client): Promise<ModelInfo[]> => pages((cursor) => client.model.list({ cursor }));
const allProviders = (client: Client): Promise<ProviderInfo[]> => pages((cursor) => client.provider.list({ cursor }));
const allKeys = (client: Client): Promise<KeyInfo[]> => pages((cursor) => client.key.list({ cursor }));

async function pages<T>(page: (cursor: string | null) => Promise<{ items: readonly T[]; nextCursor: string | null }>): Promise<T[]> {
  const all: T[] = [];
  let cursor: string | null = null;
  do {
    const { items, nextCursor } = await page(cursor);
    all.push(...items);
    cursor = nextCursor;
  } while (cursor !== null);
  return all;
}

function timeout(ms: number): { promise: Promise<void>; clear: () => void } {
  let timer: NodeJS.Timeout | undefined;
  const promise = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  return { promise, clear: () => clearTimeout(timer) };
}

/** Resolve at the next event, or reject with the reason of the signal. */
function once(event: Event<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (settle: () => void) => {
      subscription.dispose();
      signal.removeEventListener("abort", abort);
      settle();
    };
    const abort = () => end(() => reject(signal.reason));
    const subscription = event(() => end(resolve));
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
  });
}
