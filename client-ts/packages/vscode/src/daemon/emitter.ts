/** An event of VS Code's shape that needs no VS Code, so that the daemon's part runs in any Node. */

import type { Disposable, Event } from "vscode";

export class Emitter<T> {
  readonly #listeners = new Set<(value: T) => void>();

  readonly event: Event<T> = (listener, thisArgs, disposables) => {
    const call = (value: T): void => void listener.call(thisArgs, value);
    this.#listeners.add(call);
    const disposable: Disposable = { dispose: () => this.#listeners.delete(call) };
    disposables?.push(disposable);
    return disposable;
  };

  fire(value: T): void {
    for (const listener of [...this.#listeners]) listener(value);
  }

  dispose(): void {
    this.#listeners.clear();
  }
}
