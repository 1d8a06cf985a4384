/**
 * A byokd client in TypeScript, with @byokd/client.
 *
 *     node chat.js BASE_URL MODEL < key
 *
 * Stores a key for a server in OpenAI's format, asks one question and prints the answer as it comes.
 * The key is the first line of stdin. `byokd sandbox` prints base URLs and models to try, and accepts
 * any key that begins with sandbox-key-. BYOKD names the command to start if it is not `byokd`.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";

import { ByokdError, Client } from "@byokd/client";

const [baseUrl, model] = process.argv.slice(2);
if (!baseUrl || !model) throw new Error("usage: node chat.js BASE_URL MODEL");
const provider = "openai-compatible";
const [command = "byokd", ...args] = (process.env["BYOKD"] ?? "byokd").split(" ");
const { value: apiKey = "" } = await createInterface(process.stdin)[Symbol.asyncIterator]().next();

const dataDir = await mkdtemp(join(tmpdir(), "byokd-example-"));
const client = await Client.start({
  command,
  args: [...args, "--stdio"],
  dataDir, // a vault for this program only; leave it out to use yours
  clientInfo: { name: "example" },
});
try {
  const { items } = await client.provider.list();
  console.log(`${items.length} providers, ${items[0]?.name} is the first`);
  // A real client leaves this out: the first key/store makes a vault in the OS keyring.
  await client.vault.initialize({ protection: "keyFile", acceptRisk: "keyFile" });
  const { probe } = await client.storeKey({ provider, apiKey, baseUrl }); // encrypted for the daemon
  console.log(probe?.message);

  const messages = [{ role: "user" as const, content: "Hello from TypeScript" }];
  const chat = client.chat({ provider, model, messages });
  for await (const event of chat) if (event.type === "textDelta") process.stdout.write(event.delta);
  const { usage } = await chat.result;
  console.log(`\n${usage?.outputText} tokens of text`);
} catch (error) {
  if (!(error instanceof ByokdError)) throw error;
  console.error(error.message); // branch on error.kind where the program can do something about it
  process.exitCode = 1;
} finally {
  await client.close();
  await rm(dataDir, { recursive: true });
}
