/**
 * The channel of `byokd ui`.
 *
 * The address with its one-time token gives the page a second secret, which each request carries in a
 * header. A reload in the same tab takes it from `sessionStorage`; it is of no use without the cookie,
 * to another origin, or after the session.
 */

import type { Channel, HostMessage, PageMessage } from "./host.js";

const NAME = "byokd-page";

export class BrowserChannel implements Channel {
  readonly #secret = takeSecret();
  #listener: (message: HostMessage) => void = () => {};

  listen(listener: (message: HostMessage) => void): void {
    this.#listener = listener;
    if (this.#secret === null) queueMicrotask(() => this.#end("noSecret"));
    else void this.#read();
  }

  post(message: PageMessage): void {
    if (message.type === "save") return this.#save(message);
    void this.#send("/message", message).catch(() => this.#end("connection"));
  }

  /** The browser asks where, if the person wants that, and shows what becomes of it. */
  #save({ id, name, text }: Extract<PageMessage, { type: "save" }>): void {
    download(name, text);
    queueMicrotask(() => this.#listener({ type: "result", id, result: true }));
  }

  async #read(): Promise<void> {
    try {
      const body = (await this.#send("/events", {})).body;
      if (!body) throw new TypeError("no body");
      let rest = "";
      const decoder = new TextDecoder();
      const reader = body.getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        const lines = (rest + decoder.decode(part.value, { stream: true })).split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) this.#take(JSON.parse(line) as HostMessage);
      }
    } catch {
      // the reason is the same as for a stream that just ends
    }
    this.#end("connection");
  }

  #take(message: HostMessage): void {
    if (message.type === "ended") this.#end(message.reason);
    else this.#listener(message);
  }

  /** Report the first reason only. */
  #end(reason: string): void {
    sessionStorage.removeItem(NAME);
    this.#listener({ type: "ended", reason });
    this.#listener = () => {};
  }

  async #send(path: string, body: object): Promise<Response> {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Byokd-Page": this.#secret ?? "" },
      body: JSON.stringify(body),
      credentials: "same-origin",
      redirect: "error",
      referrerPolicy: "no-referrer",
    });
    if (!response.ok) throw new Error(`status ${response.status}`);
    return response;
  }
}

/** Take the secret out of the document, and the token out of the address. */
function takeSecret(): string | null {
  const meta = document.querySelector<HTMLMetaElement>(`meta[name="${NAME}"]`);
  const secret = meta?.content ?? sessionStorage.getItem(NAME);
  meta?.remove();
  if (location.search) history.replaceState(null, "", "/");
  if (secret !== null) sessionStorage.setItem(NAME, secret);
  return secret;
}

function download(name: string, text: string): void {
  const link = document.createElement("a");
  link.download = name;
  link.href = URL.createObjectURL(new Blob([text], { type: "application/jsonl" }));
  link.click();
  URL.revokeObjectURL(link.href);
}
