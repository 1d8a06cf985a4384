/** The manifest as data. */

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

/** The folder of the package; compiled tests are in `dist/test/vscode/…`. */
export const PACKAGE = fileURLToPath(new URL("../../../../", import.meta.url));

export interface Setting {
  scope?: string;
  default?: unknown;
  description?: string;
  markdownDescription?: string;
}

export interface Manifest {
  version: string;
  capabilities: { untrustedWorkspaces: { supported: string; restrictedConfigurations: string[] } };
  contributes: {
    commands: { command: string; category: string; title: string }[];
    configuration: { properties: Record<string, Setting> };
    viewsWelcome: { contents: string }[];
    menus: Record<string, { command: string }[]>;
    walkthroughs: { steps: { description: string; media: { svg: string; altText: string } }[] }[];
  };
}

export async function readManifest(): Promise<Manifest> {
  return JSON.parse(await readFile(`${PACKAGE}package.json`, "utf8"));
}
