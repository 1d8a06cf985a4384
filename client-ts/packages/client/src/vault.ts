/**
 * The requests of the vault that have secrets: passphrases and recovery codes are sealed.
 *
 * The daemon seals a new recovery code to a key pair that is used for one call. No secret is stored.
 */

import type {
  CallOptions,
  Resources,
  SealedSecret,
  SecretInput,
  UnrenewedSlot,
  VaultInfo,
  VaultInitializeParams,
  VaultRekeyParams,
} from "./generated.js";
import { Recipient, type Sealer } from "./seal.js";

type Clear<P, S extends string> = Omit<P, S | "recipientPublicKey"> & {
  [K in S & keyof P]?: string | undefined;
};

/** The params of a new vault. With `makeRecoveryCode` the result has a recovery code. */
export type InitializeInput = Clear<VaultInitializeParams, "passphrase"> & { makeRecoveryCode?: boolean };

/** The secret that unlocks the vault. Without one, the OS keyring may show its prompt. */
export interface UnlockInput {
  passphrase?: string | undefined;
  recoveryCode?: string | undefined;
}

/** A change of the vault's keys, with its secrets in plain text; the client seals them. */
export type RekeyInput = Clear<VaultRekeyParams, "passphrase" | "newPassphrase" | "recoveryCode"> & {
  makeRecoveryCode?: boolean;
};

/** The vault after the change. Show `recoveryCode` to the person once and do not store it. */
export interface VaultChange {
  vault: VaultInfo;
  recoveryCode: string | null;
}

/** `notRenewed` lists the slots that open older copies of the store, too, after `everything`. */
export interface VaultRekeyed extends VaultChange {
  notRenewed: readonly UnrenewedSlot[];
}

/** Sends `vault/…` requests and seals their secrets. */
export class VaultRequests {
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
    const answer = await this.#vault.initialize({ ...params, ...secrets, ...recipientParams(recipient) }, options);
    return { vault: answer.vault, recoveryCode: await openedCode(recipient, method, answer.recoveryCode) };
  }

  async unlock({ passphrase, recoveryCode }: UnlockInput, options?: CallOptions): Promise<VaultInfo> {
    const secrets = await this.#sealed("vault/unlock", { passphrase, recoveryCode });
    return (await this.#vault.unlock(secrets, options)).vault;
  }

  async rekey(input: RekeyInput, options?: CallOptions): Promise<VaultRekeyed> {
    const method = "vault/rekey";
    const { passphrase, newPassphrase, recoveryCode, makeRecoveryCode, ...params } = input;
    const recipient = makeRecoveryCode ? await this.#sealer.recipient() : undefined;
    const secrets = await this.#sealed(method, { passphrase, newPassphrase, recoveryCode });
    const answer = await this.#vault.rekey({ ...params, ...secrets, ...recipientParams(recipient) }, options);
    const code = await openedCode(recipient, method, answer.recoveryCode);
    return { vault: answer.vault, recoveryCode: code, notRenewed: answer.notRenewed };
  }

  /** Seal each secret that is not undefined for the field of its name. */
  async #sealed(method: string, secrets: Record<string, string | undefined>): Promise<Record<string, SecretInput>> {
    const sealed: Record<string, SecretInput> = {};
    for (const [field, text] of Object.entries(secrets)) {
      if (text !== undefined) sealed[field] = await this.#sealer.seal(text, { method, field });
    }
    return sealed;
  }
}

function recipientParams(recipient: Recipient | undefined): { recipientPublicKey?: string } {
  return recipient ? { recipientPublicKey: recipient.publicKey } : {};
}

async function openedCode(
  recipient: Recipient | undefined,
  method: string,
  code: SealedSecret | null,
): Promise<string | null> {
  return recipient && code ? recipient.open(code.sealed, { method, field: "recoveryCode" }) : null;
}
