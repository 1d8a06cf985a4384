/** What this window knows of the vault and its keys. Read again whenever one of them changes, in whichever program. */

import { ByokdError, ConnectionClosed, type Client, type KeyInfo, type VaultInfo } from "@byokd/client";
import type { Disposable, Event } from "vscode";

import { Emitter } from "../daemon/emitter.js";
import type { DaemonService, DaemonState } from "../daemon/service.js";

export interface Snapshot {
  daemon: DaemonState["type"];
  /** null until a daemon has said so. */
  vault: VaultInfo | null;
  /** A locked vault keeps the last ones. */
  keys: readonly KeyInfo[];
  /** The names of the providers by their ids. */
  names: ReadonlyMap<string, string>;
}

const CHANGES = ["key/changed", "vault/changed", "catalog/changed"] as const;

export class Overview implements Disposable {
  readonly #daemon: DaemonService;
  readonly #changed = new Emitter<Snapshot>();
  readonly #subscriptions: Disposable[];
  #snapshot: Snapshot;
  #reading: Promise<void> | undefined;
  #isStale = false;

  readonly onDidChange: Event<Snapshot> = this.#changed.event;

  constructor(daemon: DaemonService) {
    this.#daemon = daemon;
    this.#snapshot = { daemon: daemon.state.type, vault: null, keys: [], names: new Map() };
    this.#subscriptions = [
      daemon.onDidChangeState(({ type }) => this.#follow(type)),
      ...CHANGES.map((name) => daemon.onNotification(name, () => this.#read())),
    ];
    if (daemon.current) this.#read();
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
    this.#changed.dispose();
  }

  #follow(type: DaemonState["type"]): void {
    this.#set({ daemon: type });
    if (type === "running") this.#read();
  }

  /** Read everything; once more if something changed meanwhile. */
  #read(): void {
    this.#isStale = true;
    this.#reading ??= this.#readAll().finally(() => (this.#reading = undefined));
  }

  async #readAll(): Promise<void> {
    while (this.#isStale) {
      this.#isStale = false;
      const client = this.#daemon.current;
      if (!client) return;
      try {
        this.#set(await read(client, this.#snapshot));
      } catch (error) {
        if (!(error instanceof ByokdError || error instanceof ConnectionClosed)) throw error; // a later start reads again
      }
    }
  }

  #set(change: Partial<Snapshot>): void {
    this.#snapshot = { ...this.#snapshot, ...change };
    this.#changed.fire(this.#snapshot);
  }
}

async function read(client: Client, before: Snapshot): Promise<Partial<Snapshot>> {
  const [{ vault }, providers] = await Promise.all([
    client.vault.status(),
    all((cursor) => client.provider.list({ cursor })),
  ]);
  const names = new Map(providers.map(({ id, name }) => [id, name]));
  const keys = vault.state === "unlocked" ? await all((cursor) => client.key.list({ cursor })) : vault.state === "uninitialized" ? [] : before.keys;
  return { vault, names, keys };
}

interface Page<T> {
  items: readonly T[];
  nextCursor: string | null;
}

async function all<T>(page: (cursor: string | null) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const next: Page<T> = await page(cursor);
    items.push(...next.items);
    cursor = next.nextCursor;
  } while (cursor !== null);
  return items;
}
