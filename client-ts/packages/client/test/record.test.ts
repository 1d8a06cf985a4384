/**
 * A second implementation of the sealed records of the vault, with Node's crypto only. It computes
 * the vector that the Python code is tested with.
 */

import assert from "node:assert/strict";
import { createCipheriv, createHash, hkdfSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";

interface Vector {
  parent: string;
  salt: string;
  nonce: string;
  purpose: string;
  fields: ({ bytes: string } | { text: string } | { int: number })[];
  associatedData: string;
  plaintext: string;
  commitment: string;
  ciphertextAndTag: string;
  blobBytes: number;
  blobSha256: string;
}

const FILE = new URL("../../../../../tests/vectors/crypto/sealed_record.json", import.meta.url);
const vector: Vector = JSON.parse(readFileSync(FILE, "utf8"));
const CONTEXT = "byokd/v1";
const BLOCK_BYTES = 64;

function packed(...elements: (string | number | Buffer)[]): Buffer {
  const parts = elements.flatMap((element) => {
    const length = Buffer.alloc(4);
    let content = Buffer.alloc(8);
    if (typeof element === "number") content.writeBigUInt64BE(BigInt(element));
    else content = typeof element === "string" ? Buffer.from(element.normalize("NFC")) : Buffer.from(element);
    length.writeUInt32BE(content.length);
    return [length, content];
  });
  return Buffer.concat(parts);
}

test("a sealed record has the bytes of the vector shared with Python", () => {
  const hex = (text: string) => Buffer.from(text, "hex");
  const fields = vector.fields.map((field) =>
    "bytes" in field ? hex(field.bytes) : "text" in field ? field.text : field.int,
  );
  const associated = packed(CONTEXT, vector.purpose, 1, ...fields);
  assert.equal(associated.toString("hex"), vector.associatedData);

  const [salt, nonce] = [hex(vector.salt), hex(vector.nonce)];
  const derived = Buffer.from(hkdfSync("sha512", hex(vector.parent), salt, packed(CONTEXT, vector.purpose), 64));
  const [key, commitment] = [derived.subarray(0, 32), derived.subarray(32)];
  assert.equal(commitment.toString("hex"), vector.commitment);

  const plaintext = Buffer.from(vector.plaintext);
  const padded = Buffer.alloc(Math.ceil((2 + plaintext.length) / BLOCK_BYTES) * BLOCK_BYTES);
  padded.writeUInt16BE(plaintext.length);
  plaintext.copy(padded, 2);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(associated);
  const sealed = Buffer.concat([cipher.update(padded), cipher.final(), cipher.getAuthTag()]);
  assert.equal(sealed.toString("hex"), vector.ciphertextAndTag);

  const blob = Buffer.concat([Buffer.from([1]), salt, commitment, nonce, sealed]);
  assert.equal(blob.length, vector.blobBytes);
  assert.equal(createHash("sha256").update(blob).digest("hex"), vector.blobSha256);
});
