/** Unlock and lock the vault without the page. */

import { ByokdError, type Client } from "@byokd/client";
import * as vscode from "vscode";

import type { DaemonService } from "../daemon/service.js";
import { words } from "../words.js";
import { register } from "../messages.js";

export function vaultCommands(daemon: DaemonService): vscode.Disposable[] {
  return [
    register("byokd.unlockVault", async () => unlock(await daemon.client({ interactive: true }))),
    register("byokd.lockVault", async () => lock(await daemon.client({ interactive: true }))),
  ];
}

async function unlock(client: Client): Promise<void> {
  const { vault } = await client.vault.status();
  if (vault.state === "uninitialized" || vault.state === "unavailable") {
    await vscode.commands.executeCommand("byokd.openProviders", { view: "vault" });
    return;
  }
  if (vault.state === "unlocked") {
    void vscode.window.showInformationMessage(words.vault.isUnlocked);
    return;
  }
  if (await unlockWith(client, {})) void vscode.window.showInformationMessage(words.vault.unlocked);
}

/** Try without a secret, then with passphrases of the person until one fits or the person stops. */
async function unlockWith(client: Client, secret: { passphrase?: string }): Promise<boolean> {
  try {
    await client.unlockVault(secret);
    return true;
  } catch (error) {
    const reason = error instanceof ByokdError ? reasonOf(error) : undefined;
    if (reason !== "passphraseNeeded" && reason !== "wrongPassphrase") throw error;
    const { title, prompt, wrong } = words.vault.passphrase;
    const text = reason === "wrongPassphrase" ? wrong : prompt;
    const passphrase = await vscode.window.showInputBox({ title, prompt: text, password: true, ignoreFocusOut: true });
    return passphrase ? unlockWith(client, { passphrase }) : false;
  }
}

function reasonOf({ data }: ByokdError): unknown {
  const { details } = data;
  return typeof details === "object" && details !== null && "reason" in details ? details["reason"] : undefined;
}

async function lock(client: Client): Promise<void> {
  await client.vault.lock();
  const choice = await vscode.window.showInformationMessage(words.vault.locked, words.vault.unlock);
  if (choice !== undefined) await vscode.commands.executeCommand("byokd.unlockVault");
}
