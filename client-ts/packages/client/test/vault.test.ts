/** Secrets of the vault: each is sealed for its field; a recovery code is returned in plain text. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";

import { Recipient, sealInfo, Sealer, SEALING_SUITE } from "../src/index.js";
import { connected } from "../testing/fake.js";

const SUITE = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});
const PHRASE = "correct horse battery";
const CODE = "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF-GGGG-HHHH-IIII";

/** Seal the code as the daemon does: to the client's key, for one method. */
async function sealedTo(publicKey: string, method: string): Promise<string> {
  const sealer = new Sealer({ suite: SEALING_SUITE, publicKey, keyId: "k" }, "default");
  return (await sealer.seal(CODE, { method, field: "recoveryCode" })).sealed;
}

type Sent = Record<string, { sealed: string }> & { recipientPublicKey?: string };

test("secrets are sealed for their own field; a recovery code is returned in plain text", async () => {
  const daemon = await SUITE.kem.generateKeyPair();
  const publicKey = Buffer.from(await SUITE.kem.serializePublicKey(daemon.publicKey)).toString("base64");
  const answer = (method: string) => async (params: Sent) => ({
    vault: { state: "unlocked" },
    recoveryCode: params.recipientPublicKey
      ? { sealed: await sealedTo(params.recipientPublicKey, method) }
      : null,
  });
  const { client, seen, wire } = await connected(
    {
      "vault/initialize": answer("vault/initialize"),
      "vault/unlock": answer("vault/unlock"),
      "vault/rekey": answer("vault/rekey"),
    },
    {},
    { sealing: { suite: SEALING_SUITE, publicKey, keyId: "k" } },
  );
  const check = async (method: string, field: string, text: string) => {
    const value = (seen.at(-1)?.[1] as Sent)[field];
    assert.ok(value);
    const sealed = new Uint8Array(Buffer.from(value.sealed, "base64"));
    const recipient = await SUITE.createRecipientContext({
      recipientKey: daemon.privateKey,
      enc: sealed.slice(0, 32).buffer,
      info: sealInfo("default", { method, field }).buffer,
    });
    assert.equal(Buffer.from(await recipient.open(sealed.slice(32).buffer)).toString(), text);
  };

  const made = await client.initializeVault({ protection: "passphrase", passphrase: PHRASE, makeRecoveryCode: true });
  assert.deepEqual(made, { vault: { state: "unlocked" }, recoveryCode: CODE });
  await check("vault/initialize", "passphrase", PHRASE);
  assert.equal((await client.unlockVault({ recoveryCode: CODE })).state, "unlocked");
  await check("vault/unlock", "recoveryCode", CODE);
  await client.unlockVault();
  assert.deepEqual(seen.at(-1)?.[1], {});
  const changed = await client.rekeyVault({ change: "everything", passphrase: PHRASE, recoveryCode: CODE });
  assert.equal(changed.recoveryCode, null);
  await check("vault/rekey", "passphrase", PHRASE);
  await check("vault/rekey", "recoveryCode", CODE);
  const added = await client.rekeyVault({ change: "addSlot", kind: "recoveryCode", makeRecoveryCode: true });
  assert.equal(added.recoveryCode, CODE);
  assert.doesNotMatch(wire(), new RegExp(`${PHRASE}|${CODE}`));
});

test("a sealed code opens for its own method and recipient only", async () => {
  const [mine, other] = [await Recipient.create("default"), await Recipient.create("default")];
  const sealed = await sealedTo(mine.publicKey, "vault/rekey");
  assert.equal(await mine.open(sealed, { method: "vault/rekey", field: "recoveryCode" }), CODE);
  await assert.rejects(mine.open(sealed, { method: "vault/initialize", field: "recoveryCode" }));
  await assert.rejects(other.open(sealed, { method: "vault/rekey", field: "recoveryCode" }));
});
