/** Programs that stand in for the daemon, each with one behaviour: `node stub.js MODE`. */

import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from "vscode-jsonrpc/node";

const mode = process.argv[2];

if (mode === "prose") {
  process.stdout.write("usage: this is some other program\n".repeat(4000));
} else if (mode === "crash") {
  process.stderr.write("starting\nthe disk is on fire\n");
  process.exitCode = 3;
} else {
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
  rpc.onRequest("initialize", () => ({
    capabilities: {
      experimental: {
        byokd: {
          protocolVersion: 1,
          account: "default",
          sealing: {
            suite: "DHKEM(X25519,HKDF-SHA256)/HKDF-SHA256/AES-256-GCM",
            publicKey: Buffer.alloc(32, 9).toString("base64"),
            keyId: "k",
          },
        },
      },
    },
  }));
  rpc.onRequest("vault/status", () => ({ argv: process.argv.slice(3), env: process.env, cwd: process.cwd() }));
  rpc.onRequest("key/list", () => process.exit(5));
  if (mode !== "stubborn") {
    rpc.onRequest("shutdown", () => null);
    rpc.onNotification("exit", () => process.exit(0));
  }
  rpc.listen();
}
