/**
 * Key forms: knows from `provider/list` which fields are secret, and seals those.
 *
 * A field that is in no list is sealed too: what is not known to be harmless is a secret.
 */

import type {
  EnvFileSource,
  EnvironmentSource,
  FieldInfo,
  KeyImportParams,
  Requests,
  Resources,
  SecretInput,
} from "./generated.js";
import type { Sealer } from "./seal.js";

/** What a person typed. */
export interface Secrets {
  /** The secret of a provider that has exactly one. */
  apiKey?: string | undefined;
  /** The fields of the others, by the names in `provider/list`; secret ones are sealed here. */
  fields?: Readonly<Record<string, string>> | undefined;
}

/** The part of a request's params that a sealed secret is bound to. */
interface Subject {
  provider?: string | null;
  keyId?: string | null;
  baseUrl?: string | null;
}

/** A source of `key/import` whose variables or passphrase are not sealed yet. */
export type ClearSource =
  | EnvironmentSource
  | EnvFileSource
  | { type: "variables"; variables: Readonly<Record<string, string>> }
  | { type: "bundle"; path: string; passphrase: string };

/** Seal what is secret in a source, each value for the field of its own name. */
export async function sealSource(sealer: Sealer, source: ClearSource): Promise<KeyImportParams["source"]> {
  const seal = (value: string, field: string) => sealer.seal(value, { method: "key/import", field });
  if (source.type === "bundle") {
    return { ...source, passphrase: await seal(source.passphrase, "passphrase") };
  }
  if (source.type !== "variables") return source;
  const entries = Object.entries(source.variables).map(
    async ([name, value]) => [name, await seal(value, name)] as const,
  );
  return { type: "variables", variables: Object.fromEntries(await Promise.all(entries)) };
}

/** Turns what a person typed into the `fields` of a request. */
export class KeyForm {
  readonly #sealer: Sealer;
  readonly #api: Pick<Resources, "provider" | "key">;
  #listing: Promise<ReadonlyMap<string, readonly FieldInfo[]>> | undefined;

  constructor(sealer: Sealer, api: Pick<Resources, "provider" | "key">) {
    this.#sealer = sealer;
    this.#api = api;
  }

  /** Return `fields` for `method`; `subject` is what its params will say. */
  async seal(
    method: keyof Requests,
    providerId: string,
    subject: Subject,
    { apiKey, fields = {} }: Secrets,
  ): Promise<Record<string, SecretInput | string>> {
    const known = (await this.#fields()).get(providerId) ?? [];
    const values = apiKey === undefined ? fields : { ...fields, [soleSecret(providerId, known)]: apiKey };
    const isPlain = (name: string) => known.some((field) => field.name === name && !field.secret);
    const { provider, keyId, baseUrl } = subject;
    const entries = Object.entries(values).map(async ([field, value]) => {
      if (isPlain(field)) return [field, value] as const;
      return [field, await this.#sealer.seal(value, { method, provider, keyId, baseUrl, field })] as const;
    });
    return Object.fromEntries(await Promise.all(entries));
  }

  /** Return whose key it is; empty for an unknown one, which the daemon will report. */
  async providerOf(keyId: string): Promise<string> {
    for await (const key of pages((cursor) => this.#api.key.list({ cursor }))) {
      if (key.keyId === keyId) return key.provider;
    }
    return "";
  }

  async #fields(): Promise<ReadonlyMap<string, readonly FieldInfo[]>> {
    const listing = (this.#listing ??= this.#listFields());
    listing.catch(() => (this.#listing = undefined)); // the next call asks again
    return listing;
  }

  async #listFields(): Promise<ReadonlyMap<string, readonly FieldInfo[]>> {
    const fields = new Map<string, readonly FieldInfo[]>();
    for await (const provider of pages((cursor) => this.#api.provider.list({ cursor }))) {
      fields.set(provider.id, provider.fields);
    }
    return fields;
  }
}

interface Page<T> {
  items: readonly T[];
  nextCursor: string | null;
}

/** Yield the items of all pages of a list. */
async function* pages<T>(page: (cursor: string | null) => Promise<Page<T>>): AsyncGenerator<T> {
  let cursor: string | null = null;
  do {
    const { items, nextCursor }: Page<T> = await page(cursor);
    yield* items;
    cursor = nextCursor;
  } while (cursor !== null);
}

function soleSecret(provider: string, fields: readonly FieldInfo[]): string {
  const secrets = fields.filter((field) => field.secret);
  if (secrets.length === 1 && secrets[0]) return secrets[0].name;
  if (fields.length === 0) return "apiKey"; // not listed: the daemon will say so
  const names = fields.map((field) => field.name).join(", ");
  throw new TypeError(`${provider} has not exactly one secret; give its fields: ${names}`);
}
