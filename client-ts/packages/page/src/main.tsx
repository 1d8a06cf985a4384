/** The start of the page: chooses the channel to its host and renders. */

import { render } from "preact";

import { App } from "./app.js";
import { BrowserChannel } from "./browser.js";
import { Host } from "./host.js";
import { Model } from "./model.js";
import "./page.css";
import { WebviewChannel } from "./webview.js";

const root = document.getElementById("page");
if (root) {
  const api = globalThis.acquireVsCodeApi?.();
  const webview = api && new WebviewChannel(api);
  // The model listens before the channel begins.
  const host = new Host(webview ?? new BrowserChannel());
  const model = new Model(host);
  if (webview) {
    if (webview.view) model.show(webview.view);
    model.subscribe(() => (webview.view = model.state.view));
  }
  addEventListener("focus", () => model.returned());
  render(<App model={model} />, root);
}
