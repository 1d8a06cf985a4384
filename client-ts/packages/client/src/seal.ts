/**
 * Seals secrets to the public key of one daemon process, so that a trace shows only ciphertext.
 *
 * HPKE base mode (RFC 9180) with X25519, HKDF-SHA256 and AES-256-GCM. `info` has the method, provider,
 * key id, base URL and field: the daemon cannot open a ciphertext that was copied to another one.
 */

import type { webcrypto } from "node:crypto";

import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";

import { ProtocolError } from "./errors.js";
import { SEALING_SUITE, type Sealing } from "./generated.js";

/** The use of a sealed secret. The values must be the same as in the params of the request. */
export interface SealTarget {
  method: string;
  field: string;
  provider?: string | null | undefined;
  keyId?: string | null | undefined;
  baseUrl?: string | null | undefined;
}

const SUITE = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});
const ENC_BYTES = 32;

/** Seals with the public key of one daemon, for one account. Throws `ProtocolError` for an unknown suite. */
export class Sealer {
  readonly #publicKey: Promise<webcrypto.CryptoKey>;
  readonly #account: string;

  constructor(sealing: Sealing, account: string) {
    if (sealing.suite !== SEALING_SUITE) {
      throw new ProtocolError(`the daemon uses an unknown sealing suite, ${sealing.suite}: update @byokd/client`);
    }
    const raw = bytes(Buffer.from(sealing.publicKey, "base64"));
    this.#publicKey = SUITE.kem.deserializePublicKey(raw.buffer);
    this.#publicKey.catch(() => {}); // seal() reports it
    this.#account = account;
  }

  /** Create a key pair for the secrets in the answer to one call. */
  recipient(): Promise<Recipient> {
    return Recipient.create(this.#account);
  }

  /** Return base64 of `enc ‖ ct`. Two calls never return the same text. */
  async seal(value: string, target: SealTarget): Promise<{ sealed: string }> {
    const sender = await SUITE.createSenderContext({
      recipientPublicKey: await this.#publicKey,
      info: sealInfo(this.#account, target).buffer,
    });
    const ciphertext = await sender.seal(utf8(value).buffer);
    const wire = Buffer.concat([Buffer.from(sender.enc), Buffer.from(ciphertext)]);
    return { sealed: wire.toString("base64") };
  }
}

/** A key pair for one call: opens the secrets that the daemon seals in its answer. */
export class Recipient {
  /** The public key in base64, for `recipientPublicKey` of the request. */
  readonly publicKey: string;
  readonly #privateKey: webcrypto.CryptoKey;
  readonly #account: string;

  private constructor(publicKey: string, privateKey: webcrypto.CryptoKey, account: string) {
    this.publicKey = publicKey;
    this.#privateKey = privateKey;
    this.#account = account;
  }

  /** Create a key pair. */
  static async create(account: string): Promise<Recipient> {
    const { publicKey, privateKey } = await SUITE.kem.generateKeyPair();
    const raw = Buffer.from(await SUITE.kem.serializePublicKey(publicKey));
    return new Recipient(raw.toString("base64"), privateKey, account);
  }

  /** Open a value that was sealed to this key for this use. Rejects if it was sealed for another. */
  async open(sealed: string, target: SealTarget): Promise<string> {
    const wire = bytes(Buffer.from(sealed, "base64"));
    const recipient = await SUITE.createRecipientContext({
      recipientKey: this.#privateKey,
      enc: wire.slice(0, ENC_BYTES).buffer,
      info: sealInfo(this.#account, target).buffer,
    });
    return Buffer.from(await recipient.open(wire.slice(ENC_BYTES).buffer)).toString("utf8");
  }
}

/** Return HPKE's `info` for a secret; the daemon computes the same bytes. */
export function sealInfo(account: string, target: SealTarget): Uint8Array<ArrayBuffer> {
  const { method, provider, keyId, baseUrl, field } = target;
  return tuple("byokd/1", method, account, provider ?? "", keyId ?? "", baseUrl ?? "", field);
}

/** Encode each text (NFC) as its length in UTF-8 bytes (u32, big endian) and its bytes. */
function tuple(...texts: string[]): Uint8Array<ArrayBuffer> {
  const parts = texts.flatMap((text) => {
    const content = utf8(text.normalize("NFC"));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(content.byteLength);
    return [length, content];
  });
  return bytes(Buffer.concat(parts));
}

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return bytes(Buffer.from(text, "utf8"));
}

/** Copy out of Node's shared pool, so that `.buffer` has only these bytes. */
function bytes(view: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(view);
}
