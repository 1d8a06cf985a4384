/** What only this process can read for an import: the environment of the person, and `~` in a path. */

import { join } from "node:path";

import type { Client, Json, JsonObject } from "@byokd/client";

import { isObject } from "./secrets.js";

/** The environment of the editor, and the person's home folder. */
export interface LocalSources {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

/**
 * Return the params of `key/import` with a source that the daemon can read.
 *
 * `{ type: "environment" }` becomes the variables that `provider/list` names, each still in plain text.
 */
export async function withLocalSource(client: Pick<Client, "request">, params: JsonObject, local: LocalSources): Promise<JsonObject> {
  const source = params["source"];
  if (!isObject(source)) return params;
  if (source["type"] === "environment") {
    const variables: Record<string, Json> = {};
    for (const name of (await knownVariables(client)).sort()) {
      const value = local.environment[name];
      if (value) variables[name] = { plain: value };
    }
    return { ...params, source: { type: "variables", variables } };
  }
  const path = source["path"];
  if (typeof path !== "string" || !/^~(?=$|[/\\])/.test(path)) return params;
  return { ...params, source: { ...source, path: join(local.home, path.slice(1)) } };
}

/** The variables in which other programs keep keys and base URLs. */
async function knownVariables(client: Pick<Client, "request">): Promise<string[]> {
  const names = new Set<string>();
  let cursor: string | null = null;
  do {
    const { items, nextCursor }: Awaited<ReturnType<typeof providers>> = await providers(client, cursor);
    for (const { baseUrlEnv, fields } of items) {
      for (const name of [...baseUrlEnv, ...fields.flatMap((field) => field.env)]) names.add(name);
    }
    cursor = nextCursor;
  } while (cursor !== null);
  return [...names];
}

const providers = (client: Pick<Client, "request">, cursor: string | null) => client.request("provider/list", { cursor });
