/** The AI Providers page as a panel of VS Code. There is one in a window; it comes back when the window is loaded again. */

import { randomBytes } from "node:crypto";
import { homedir } from "node:os";

import type { ShowMessageRequest } from "@byokd/client";
import * as vscode from "vscode";

import type { Place } from "../../../page/src/host.js";
import type { DaemonService } from "../daemon/service.js";
import type { Remedy } from "../daemon/unavailable.js";
import { words } from "../words.js";
import { pageHtml } from "./html.js";
import { ProvidersPage, type Shell } from "./providers.js";

/** What the page needs of its window beside the panel. */
export type WindowParts = Pick<Shell, "machine" | "openChat">;

const VIEW_TYPE = "byokd.providers";

export class ProvidersPanel implements vscode.Disposable, vscode.WebviewPanelSerializer {
  readonly #daemon: DaemonService;
  readonly #context: vscode.ExtensionContext;
  readonly #window: WindowParts;
  readonly #visibilityChanged = new vscode.EventEmitter<void>();
  readonly #serializer: vscode.Disposable;
  #shown: { panel: vscode.WebviewPanel; page: ProvidersPage } | undefined;

  /** Fires when the page was shown, hidden or closed. */
  readonly onDidChangeVisibility = this.#visibilityChanged.event;

  constructor(context: vscode.ExtensionContext, daemon: DaemonService, window: WindowParts) {
    this.#context = context;
    this.#daemon = daemon;
    this.#window = window;
    this.#serializer = vscode.window.registerWebviewPanelSerializer(VIEW_TYPE, this);
  }

  /** Show the page, at a place if one is given. */
  open(at?: Place): void {
    if (this.#shown) this.#shown.panel.reveal();
    else {
      // What is half typed stays while the person looks up the key in another editor.
      const options = { ...this.#webviewOptions, retainContextWhenHidden: true, enableFindWidget: true };
      this.#fill(vscode.window.createWebviewPanel(VIEW_TYPE, words.page.title, vscode.ViewColumn.Active, options));
    }
    if (at) this.#shown?.page.show(at);
  }

  /** The page, if a person can see it now. */
  get visible(): { ask(params: ShowMessageRequest, signal: AbortSignal): Promise<string | null> } | undefined {
    return this.#shown?.panel.visible ? this.#shown.page : undefined;
  }

  /** VS Code brings a panel back; the page itself remembers its view. */
  async deserializeWebviewPanel(panel: vscode.WebviewPanel): Promise<void> {
    panel.webview.options = this.#webviewOptions;
    this.#fill(panel);
  }

  dispose(): void {
    this.#serializer.dispose();
    this.#shown?.panel.dispose();
    this.#visibilityChanged.dispose();
  }

  get #pageFolder(): vscode.Uri {
    return vscode.Uri.joinPath(this.#context.extensionUri, "dist", "page");
  }

  get #webviewOptions(): vscode.WebviewOptions {
    return { enableScripts: true, localResourceRoots: [this.#pageFolder] };
  }

  #fill(panel: vscode.WebviewPanel): void {
    const { webview } = panel;
    const environment = process.env;
    const page = new ProvidersPage(this.#daemon, { environment, home: homedir() }, this.#shell(webview));
    this.#shown?.panel.dispose();
    this.#shown = { panel, page };
    panel.iconPath = vscode.Uri.joinPath(this.#context.extensionUri, "media", "activity.svg");
    webview.onDidReceiveMessage((message: unknown) => page.take(message));
    panel.onDidChangeViewState(() => this.#visibilityChanged.fire());
    panel.onDidDispose(() => {
      page.dispose();
      if (this.#shown?.panel === panel) this.#shown = undefined;
      this.#visibilityChanged.fire();
    });
    const file = (name: string) => webview.asWebviewUri(vscode.Uri.joinPath(this.#pageFolder, name)).toString();
    const nonce = randomBytes(24).toString("base64url");
    webview.html = pageHtml({ script: file("page.js"), style: file("page.css"), source: webview.cspSource, nonce });
    this.#visibilityChanged.fire();
  }

  #shell(webview: vscode.Webview): Shell {
    return {
      post: (message) => webview.postMessage(message),
      save,
      run,
      ...this.#window,
    };
  }
}

function run({ command, arguments: args = [] }: Remedy): void {
  void vscode.commands.executeCommand(command, ...args);
}

async function save(name: string, text: string): Promise<boolean> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri ?? vscode.Uri.file(homedir());
  const target = await vscode.window.showSaveDialog({ defaultUri: vscode.Uri.joinPath(folder, name) });
  if (!target) return false;
  await vscode.workspace.fs.writeFile(target, new TextEncoder().encode(text));
  return true;
}

