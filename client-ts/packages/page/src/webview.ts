/** The channel of a webview of VS Code: messages of the window. */

import type { Channel, HostMessage, PageMessage } from "./host.js";
import type { View } from "./model.js";

interface WebviewApi {
  postMessage(message: PageMessage | { type: "ready" }): void;
  getState(): unknown;
  setState(state: { view: View }): void;
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

  /** The view before the window was loaded again. */
  get view(): View | undefined {
    return (this.#api.getState() as { view: View } | undefined)?.view;
  }

  set view(view: View) {
    this.#api.setState({ view });
  }
}
