/** Programs that stand in for the daemon, each with one behaviour: `node stub.js MODE [FILE]`. */

import { existsSync, writeFileSync } from "node:fs";

import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from "vscode-jsonrpc/node";

const [mode, file = ""] = process.argv.slice(2);

if (mode === "prose") {
  process.stdout.write("usage: this is some other program\n".repeat(4000));
} else if (mode === "crash" || (mode === "once" && existsSync(file))) {
  process.stderr.write("starting\nthe disk is on fire\n");
  process.exitCode = 3;
} else if (mode === "usage") {
  process.stdout.write("usage: stub FILE\n");
} else if (mode === "hang") {
  process.stderr.write("waiting for the license server\n");
  setInterval(() => {}, 1000);
} else if (mode === "header") {
  process.stdout.write("Content-Type: text/html\r\n\r\n<html>\r\n\r\nContent-Length: none\r\n\r\n");
  setInterval(() => {}, 1000);
} else {
  if (mode === "once") writeFileSync(file, "");
  if (mode === "banner") process.stdout.write("Welcome to the shell!\r\n\r\nHave fun.\n");
  if (mode === "stubborn") {
    process.on("SIGTERM", () => {});
    setInterval(() => {}, 1000);
    process.stderr.write("ready\n");
  }
  const rpc = createMessageConnection(
    new StreamMessageReader(process.stdin),
    new StreamMessageWriter(process.stdout),
  );
  const byokd = {
    protocolVersion: mode === "newer" ? 2 : 1,
    account: "default",
    sealing: {
      suite: "DHKEM(X25519,HKDF-SHA256)/HKDF-SHA256/AES-256-GCM",
      publicKey: Buffer.alloc(32, 9).toString("base64"),
      keyId: "k",
    },
    limits: { maxMessageBytes: 67108864, maxConcurrentStreams: 64 },
  };
  rpc.onRequest("initialize", (): object =>
    mode === "other"
      ? { capabilities: { hoverProvider: true }, serverInfo: { name: "pyright" } }
      : { capabilities: { experimental: { byokd } } },
  );
  rpc.onRequest("vault/status", () => ({
    argv: process.argv.slice(3),
    env: process.env,
    cwd: process.cwd(),
    pid: process.pid,
  }));
  rpc.onRequest("key/list", () => {
    process.stderr.write("segmentation fault in libkey\n", () => process.exit(5));
    return new Promise(() => {});
  });
  rpc.onRequest("chat/send", async ({ streamId }: { streamId: string }) => {
    const events = [{ type: "textDelta", blockId: "b0", delta: "hello" }];
    await rpc.sendNotification("chat/events", { streamId, seq: 0, events });
    return new Promise(() => {}); // until the process ends
  });
  if (mode !== "stubborn") {
    rpc.onRequest("shutdown", () => null);
    rpc.onNotification("exit", () => process.exit(0));
  }
  rpc.listen();
}
