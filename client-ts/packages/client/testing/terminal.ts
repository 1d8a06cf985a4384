/** A terminal program with a client: `node terminal.js STUB`. It survives one Ctrl-C and asks the daemon again. */

import { Client } from "../src/index.js";

const client = await Client.start({ command: process.execPath, args: [process.argv[2] ?? "", "good"] });
const interrupted = new Promise<void>((resolve) => process.once("SIGINT", () => resolve()));
console.log("ready");
await interrupted;
console.log("interrupted");
await client.vault.status();
console.log("the daemon answers");
await client.close();
