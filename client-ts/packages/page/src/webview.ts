/** The channel of a webview of VS Code: messages of the window. */

import type { Channel, HostMessage, PageMessage } from "./host.js";

interface WebviewApi {
  postMessage(message: PageMessage | { type: "ready" }): void;
}

declare global {
  /** VS Code defines it in webviews. */
  var acquireVsCodeApi: (() => WebviewApi) | undefined;
}

export class WebviewChannel implements Channel {
  readonly #api: WebviewApi;

  constructor(api: WebviewApi) {
    this.#api = api;
  }

  /** Listen, then send `ready`: the host answers with `hello`. */
  listen(listener: (message: HostMessage) => void): void {
    addEventListener("message", (event: MessageEvent<HostMessage>) => listener(event.data));
    this.#api.postMessage({ type: "ready" });
  }

  post(message: PageMessage): void {
    this.#api.postMessage(message);
  }
}
