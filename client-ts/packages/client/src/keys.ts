/**
 * Seals the secret fields of keys. `provider/list` tells which fields are secret.
 *
 * A field that `provider/list` does not have is sealed, too.
 */

import type {
  CallOptions,
  EnvFileSource,
  EnvironmentSource,
  FieldInfo,
  KeyImportParams,
  Requests,
  Resources,
  SecretInput,
} from "./generated.js";
import type { Sealer } from "./seal.js";

/** The fields of a key in plain text. */
export interface Secrets {
  /** The value of the secret field, for a provider that has exactly one. */
  apiKey?: string | undefined;
  /** The fields by their names in `provider/list`; the secret fields are sealed. */
  fields?: Readonly<Record<string, string>> | undefined;
}

/** The params of a request that its sealed secrets are bound to. */
interface BoundParams {
  provider?: string | null;
  keyId?: string | null;
  baseUrl?: string | null;
}

/** A source of `key/import` with its variables or passphrase in plain text. */
export type ClearSource =
  | EnvironmentSource
  | EnvFileSource
  | { type: "variables"; variables: Readonly<Record<string, string>> }
  | { type: "bundle"; path: string; passphrase: string };

/** Seal the secrets of a source. Each variable is sealed for the field of its own name. */
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

/** Makes the `fields` of a request: seals the secret ones. */
export class FieldSealer {
  readonly #sealer: Sealer;
  readonly #api: Pick<Resources, "provider" | "key">;
  #listing: Promise<ReadonlyMap<string, readonly FieldInfo[]>> | undefined;

  constructor(sealer: Sealer, api: Pick<Resources, "provider" | "key">) {
    this.#sealer = sealer;
    this.#api = api;
  }

  /** Return the `fields` of a request of `method` with these params. */
  async seal(
    method: keyof Requests,
    providerId: string,
    params: BoundParams,
    { apiKey, fields = {} }: Secrets,
  ): Promise<Record<string, SecretInput | string>> {
    const known = (await this.#fields()).get(providerId) ?? [];
    const values = apiKey === undefined ? fields : { ...fields, [onlySecret(providerId, known)]: apiKey };
    const isPlain = (name: string) => known.some((field) => field.name === name && !field.secret);
    const { provider, keyId, baseUrl } = params;
    const entries = Object.entries(values).map(async ([field, value]) => {
      if (isPlain(field)) return [field, value] as const;
      return [field, await this.#sealer.seal(value, { method, provider, keyId, baseUrl, field })] as const;
    });
    return Object.fromEntries(await Promise.all(entries));
  }

  /** Return the provider of a stored key; "" for an unknown key, which the daemon then rejects. */
  async providerOf(keyId: string, options?: CallOptions): Promise<string> {
    for await (const key of pages((cursor) => this.#api.key.list({ cursor }, options))) {
      if (key.keyId === keyId) return key.provider;
    }
    return "";
  }

  async #fields(): Promise<ReadonlyMap<string, readonly FieldInfo[]>> {
    const listing = (this.#listing ??= this.#listFields());
    listing.catch(() => (this.#listing = undefined)); // try again in the next call
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

/** Return the name of the only secret field. Throws if there is not exactly one. */
function onlySecret(provider: string, fields: readonly FieldInfo[]): string {
  const secrets = fields.filter((field) => field.secret);
  if (secrets.length === 1 && secrets[0]) return secrets[0].name;
  if (fields.length === 0) return "apiKey"; // the daemon rejects an unknown provider
  const names = fields.map((field) => field.name).join(", ");
  throw new TypeError(`${provider} does not have exactly one secret: use \`fields\` with ${names}`);
}
