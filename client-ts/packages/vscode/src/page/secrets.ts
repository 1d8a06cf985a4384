/**
 * Seals what the page sends, and opens what only a person may see.
 *
 * The page marks each secret as `{ plain: text }`. It is sealed here for the field under whose name it
 * stands, so that nothing between here and the daemon shows it.
 */

import { Recipient, type Client, type Json, type JsonObject } from "@byokd/client";

const MAKE_CODE = "makeRecoveryCode";
const CODE = "recoveryCode";

/** A secret has a character that UTF-8 cannot carry, so another text would be stored. */
export class UnsendableText extends Error {}

/** Return the params of a request with every `{ plain }` sealed. Throws `UnsendableText`. */
export async function sealParams(client: Pick<Client, "seal">, method: string, params: JsonObject): Promise<JsonObject> {
  const [provider, keyId, baseUrl] = [text(params, "provider"), text(params, "keyId"), text(params, "baseUrl")];
  const sealed = async (field: string, value: Json): Promise<Json> => {
    const plain = plainOf(value);
    if (plain !== undefined) {
      if (/\p{Surrogate}/u.test(plain)) throw new UnsendableText();
      return client.seal(plain, { method, provider, keyId, baseUrl, field });
    }
    if (Array.isArray(value)) return Promise.all(value.map((part: Json) => sealed(field, part)));
    return isObject(value) ? sealedObject(value) : value;
  };
  const sealedObject = async (object: JsonObject): Promise<JsonObject> => {
    const entries = Object.entries(object).map(async ([name, value]) => [name, await sealed(name, value)] as const);
    return Object.fromEntries(await Promise.all(entries));
  };
  return sealedObject(params);
}

/** Receives the recovery code of one request. */
export class CodeReceiver {
  private constructor(
    readonly params: JsonObject,
    readonly open: (result: JsonObject) => Promise<JsonObject>,
  ) {}

  /** Return the params as the daemon takes them, and how to open the code of the result. */
  static async of(account: string, method: string, params: JsonObject): Promise<CodeReceiver> {
    const { [MAKE_CODE]: wanted, ...rest } = params;
    if (wanted !== true) return new CodeReceiver(rest, (result) => Promise.resolve(result));
    const recipient = await Recipient.create(account);
    return new CodeReceiver({ ...rest, recipientPublicKey: recipient.publicKey }, async (result) => {
      const code = result[CODE];
      if (!isObject(code) || typeof code["sealed"] !== "string") return result;
      return { ...result, [CODE]: await recipient.open(code["sealed"], { method, field: CODE }) };
    });
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The text of `{ plain: text }`, which has no other member. */
function plainOf(value: Json): string | undefined {
  if (!isObject(value) || Object.keys(value).length !== 1) return undefined;
  return text(value, "plain");
}

function text(object: JsonObject, name: string): string | undefined {
  const value = object[name];
  return typeof value === "string" ? value : undefined;
}
