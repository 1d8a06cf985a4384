/** Sealing: the same bytes as in Python, and no secret is sent in plain text. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";

import { ProtocolError, sealInfo, Sealer, SEALING_SUITE, type SealTarget } from "../src/index.js";
import { connected } from "../testing/fake.js";

const SUITE = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});
const SECRET = "sk-test-0123456789abcdef";

/** Open a sealed value, as the daemon does. */
async function opened(sealed: string, privateKey: CryptoKeyOf, info: Uint8Array<ArrayBuffer>): Promise<string> {
  const wire = new Uint8Array(Buffer.from(sealed, "base64"));
  const [enc, ciphertext] = [wire.slice(0, 32), wire.slice(32)];
  const recipient = await SUITE.createRecipientContext({ recipientKey: privateKey, enc: enc.buffer, info: info.buffer });
  return Buffer.from(await recipient.open(ciphertext.buffer)).toString("utf8");
}

type CryptoKeyOf = Awaited<ReturnType<typeof SUITE.kem.deserializePrivateKey>>;

async function keyPair(): Promise<{ privateKey: CryptoKeyOf; publicKey: string }> {
  const pair = await SUITE.kem.generateKeyPair();
  const raw = await SUITE.kem.serializePublicKey(pair.publicKey);
  return { privateKey: pair.privateKey, publicKey: Buffer.from(raw).toString("base64") };
}

const lp = (text: string) => {
  const bytes = Buffer.from(text);
  return Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), bytes]);
};
const INFOS: [SealTarget, string[]][] = [
  [{ method: "key/store", provider: "local", field: "apiKey" }, ["key/store", "acct", "local", "", "", "apiKey"]],
  [{ method: "key/rotate", keyId: "key_a", field: "apiKey" }, ["key/rotate", "acct", "", "key_a", "", "apiKey"]],
  [
    { method: "key/store", provider: "local", baseUrl: "https://bücher.example/v1", field: "f" },
    ["key/store", "acct", "local", "", "https://bücher.example/v1", "f"],
  ],
];
for (const [target, elements] of INFOS) {
  test(`info of ${elements.filter(Boolean).join(" ")}`, () => {
    const expected = Buffer.concat(["byokd/1", ...elements].map(lp));
    assert.deepEqual(Buffer.from(sealInfo("acct", target)), expected);
  });
}

test("texts are normalized to one Unicode form", () => {
  const composed = sealInfo("acct", { method: "m", field: "caf\u00e9" });
  assert.deepEqual(sealInfo("acct", { method: "m", field: "cafe\u0301" }), composed);
});

test("a sealed value opens for its own use only", async () => {
  const { privateKey, publicKey } = await keyPair();
  const sealer = new Sealer({ suite: SEALING_SUITE, publicKey, keyId: "k" }, "acct");
  const target: SealTarget = { method: "key/store", provider: "local", baseUrl: "https://a.example", field: "apiKey" };
  const { sealed } = await sealer.seal(SECRET, target);
  assert.equal(await opened(sealed, privateKey, sealInfo("acct", target)), SECRET);
  assert.notEqual((await sealer.seal(SECRET, target)).sealed, sealed);
  const others: [string, SealTarget][] = [
    ["other", target],
    ["acct", { ...target, method: "key/probe" }],
    ["acct", { ...target, provider: "remote" }],
    ["acct", { ...target, keyId: "key_a" }],
    ["acct", { ...target, baseUrl: "https://b.example" }],
    ["acct", { ...target, field: "secretAccessKey" }],
  ];
  for (const [account, other] of others) {
    await assert.rejects(opened(sealed, privateKey, sealInfo(account, other)));
  }
});

test("another suite is refused", () => {
  const sealing = { suite: "DHKEM(P-256)", publicKey: "", keyId: "k" };
  assert.throws(() => new Sealer(sealing, "acct"), ProtocolError);
});

const FIELD = { label: "", required: true, pattern: null, hint: null };
const PROVIDERS = [
  { id: "single", fields: [{ ...FIELD, name: "apiKey", secret: true }] },
  {
    id: "multi",
    fields: [
      { ...FIELD, name: "keyId", secret: true },
      { ...FIELD, name: "keySecret", secret: true },
      { ...FIELD, name: "region", secret: false },
    ],
  },
];
const LISTS = {
  "provider/list": ({ cursor }: { cursor: string | null }) =>
    cursor === null
      ? { items: PROVIDERS.slice(0, 1), nextCursor: "2" }
      : { items: PROVIDERS.slice(1), nextCursor: null },
  "key/list": () => ({ items: [{ keyId: "key_a", provider: "single" }], nextCursor: null }),
  "key/store": () => ({}),
  "key/rotate": () => ({}),
  "key/probe": () => ({}),
};

type Sent = { fields: Record<string, string | { sealed: string }> };

test("secret fields are sealed, other fields are not", async () => {
  const { privateKey, publicKey } = await keyPair();
  const sealing = { suite: SEALING_SUITE, publicKey, keyId: "k" };
  const { client, seen, wire } = await connected(LISTS, {}, { sealing });

  const check = async (target: SealTarget) => {
    const value = (seen.at(-1)?.[1] as Sent).fields[target.field];
    assert.ok(typeof value === "object");
    assert.equal(await opened(value.sealed, privateKey, sealInfo("default", target)), SECRET);
  };
  await client.storeKey({ provider: "single", apiKey: SECRET, baseUrl: "https://a.example", label: "work" });
  await check({ method: "key/store", provider: "single", baseUrl: "https://a.example", field: "apiKey" });
  await client.rotateKey({ keyId: "key_a", apiKey: SECRET });
  await check({ method: "key/rotate", keyId: "key_a", field: "apiKey" });
  await client.probeKey({ provider: "multi", fields: { keyId: SECRET, keySecret: SECRET, region: "eu" } });
  await check({ method: "key/probe", provider: "multi", field: "keyId" });
  await check({ method: "key/probe", provider: "multi", field: "keySecret" });
  assert.equal((seen.at(-1)?.[1] as Sent).fields["region"], "eu");
  await client.storeKey({ provider: "nobody", fields: { what: SECRET } });
  await check({ method: "key/store", provider: "nobody", field: "what" });

  assert.doesNotMatch(wire(), new RegExp(SECRET));
  assert.equal(seen.filter(([method]) => method === "provider/list").length, 2);
});

test("apiKey is rejected for a provider with two secrets", async () => {
  const { client } = await connected(LISTS);
  await assert.rejects(client.storeKey({ provider: "multi", apiKey: SECRET }), /keyId, keySecret, region/);
});

interface Vector {
  suite: string;
  privateKey: string;
  publicKey: string;
  keyId: string;
  cases: { use: SealTarget & { account: string }; info: string; sealed: string; plaintext: string }[];
}

const VECTOR = new URL("../../../../../tests/vectors/crypto/hpke.json", import.meta.url);
const { privateKey, ...sealing }: Vector = JSON.parse(readFileSync(VECTOR, "utf8"));

for (const { use, info, sealed, plaintext } of sealing.cases) {
  test(`${use.method}: info and ciphertext match the vector shared with Python`, async () => {
    const { account, ...target } = use;
    const expected = sealInfo(account, target);
    assert.equal(Buffer.from(expected).toString("hex"), info);
    const key = await SUITE.kem.importKey("raw", new Uint8Array(Buffer.from(privateKey, "hex")).buffer, false);
    assert.equal(await opened(sealed, key, expected), plaintext);
    const ours = await new Sealer(sealing, account).seal(plaintext, target);
    assert.equal(await opened(ours.sealed, key, expected), plaintext);
  });
}

test("variables and the passphrase of an import are each sealed for their own name", async () => {
  const { privateKey, publicKey } = await keyPair();
  const nothing = { items: [], ignored: [], warnings: [], outcomes: null };
  const { client, seen, wire } = await connected({ "key/import": () => nothing }, {}, {
    sealing: { suite: SEALING_SUITE, publicKey, keyId: "k" },
  });
  await client.importKeys({ source: { type: "variables", variables: { A_API_KEY: SECRET, B_API_KEY: SECRET } } });
  await client.importKeys({
    source: { type: "bundle", path: "/moved/keys.byokd", passphrase: SECRET },
    choose: [{ id: "item_0" }],
    probe: "skip",
  });
  const plain = { source: { type: "envFile" as const, path: "/somewhere/.env" } };
  await client.importKeys(plain);
  type Sealed = { sealed: string };
  type Sent = { source: { variables: Record<string, Sealed>; passphrase: Sealed }; choose?: unknown };
  const [first, second, third] = seen.slice(2).map(([, params]) => params as Sent);
  assert.ok(first && second);
  for (const [field, { sealed }] of [
    ...Object.entries(first.source.variables),
    ["passphrase", second.source.passphrase] as const,
  ]) {
    const info = sealInfo(client.server.account, { method: "key/import", field });
    assert.equal(await opened(sealed, privateKey, new Uint8Array(info)), SECRET);
  }
  assert.deepEqual(second.choose, [{ id: "item_0" }]);
  assert.deepEqual(third, plain);
  assert.ok(!wire().includes(SECRET));
});
