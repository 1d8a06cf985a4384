/**
 * The vault's secrets: passphrases and recovery codes go in sealed, a new recovery code comes out.
 *
 * A code is sealed by the daemon to a key pair that lives as long as one call. No secret is kept.
 */

import type {
  CallOptions,
  Resources,
  SealedSecret,
  SecretInput,
  VaultInfo,
  VaultInitializeParams,
  VaultRekeyParams,
} from "./generated.js";
import { Recipient, type Sealer } from "./seal.js";

type Clear<P, S extends string> = Omit<P, S | "recipientPublicKey"> & {
  [K in S & keyof P]?: string | undefined;
};

/** A new vault; `makeRecoveryCode` asks for a code to be shown to the person. */
export type InitializeInput = Clear<VaultInitializeParams, "passphrase"> & { makeRecoveryCode?: boolean };

/** What opens the vault; with neither, the OS keyring may show its prompt. */
export interface UnlockInput {
  passphrase?: string | undefined;
  recoveryCode?: string | undefined;
}

/** A change of the vault's keys, with its secrets in the clear: they are sealed before they are sent. */
export type RekeyInput = Clear<VaultRekeyParams, "passphrase" | "newPassphrase" | "recoveryCode"> & {
  makeRecoveryCode?: boolean;
};

/** The vault afterwards. Show `recoveryCode` to the person, once, and do not keep it. */
export interface VaultChange {
  vault: VaultInfo;
  recoveryCode: string | null;
}

/** Turns what a person typed into `vault/…` requests. */
export class VaultForm {
  readonly #sealer: Sealer;
  readonly #vault: Resources["vault"];

  constructor(sealer: Sealer, vault: Resources["vault"]) {
    this.#sealer = sealer;
    this.#vault = vault;
  }

  async initialize(input: InitializeInput, options?: CallOptions): Promise<VaultChange> {
    const method = "vault/initialize";
    const { passphrase, makeRecoveryCode, ...params } = input;
    const recipient = makeRecoveryCode ? await this.#sealer.recipient() : undefined;
    const secrets = await this.#sealed(method, { passphrase });
    const answer = await this.#vault.initialize({ ...params, ...secrets, ...asking(recipient) }, options);
    return { vault: answer.vault, recoveryCode: await shown(recipient, method, answer.recoveryCode) };
  }

  async unlock({ passphrase, recoveryCode }: UnlockInput, options?: CallOptions): Promise<VaultInfo> {
    const secrets = await this.#sealed("vault/unlock", { passphrase, recoveryCode });
    return (await this.#vault.unlock(secrets, options)).vault;
  }

  async rekey(input: RekeyInput, options?: CallOptions): Promise<VaultChange> {
    const method = "vault/rekey";
    const { passphrase, newPassphrase, recoveryCode, makeRecoveryCode, ...params } = input;
    const recipient = makeRecoveryCode ? await this.#sealer.recipient() : undefined;
    const secrets = await this.#sealed(method, { passphrase, newPassphrase, recoveryCode });
    const answer = await this.#vault.rekey({ ...params, ...secrets, ...asking(recipient) }, options);
    return { vault: answer.vault, recoveryCode: await shown(recipient, method, answer.recoveryCode) };
  }

  /** Seal each secret that was given for the field of its name. */
  async #sealed(method: string, given: Record<string, string | undefined>): Promise<Record<string, SecretInput>> {
    const secrets: Record<string, SecretInput> = {};
    for (const [field, text] of Object.entries(given)) {
      if (text !== undefined) secrets[field] = await this.#sealer.seal(text, { method, field });
    }
    return secrets;
  }
}

function asking(recipient: Recipient | undefined): { recipientPublicKey?: string } {
  return recipient ? { recipientPublicKey: recipient.publicKey } : {};
}

async function shown(
  recipient: Recipient | undefined,
  method: string,
  code: SealedSecret | null,
): Promise<string | null> {
  return recipient && code ? recipient.open(code.sealed, { method, field: "recoveryCode" }) : null;
}
