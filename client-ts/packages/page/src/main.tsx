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
  // The model listens before the channel begins.
  const channel = api ? new WebviewChannel(api) : new BrowserChannel();
  const host = new Host(channel);
  const model = new Model(host);
  render(<App model={model} />, root);
}
