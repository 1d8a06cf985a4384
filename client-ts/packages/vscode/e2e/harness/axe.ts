/** What axe finds in a page of the extension. */

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

import type { Frame } from "playwright-core";

interface Axe {
  run(context: unknown): Promise<{ violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[] }>;
}

const SOURCE = readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Return the violations in the frame as it is now, a line each. */
export async function violations(frame: Frame): Promise<string[]> {
  await frame.evaluate(await SOURCE);
  return frame.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: Axe }; // the script above defines it
    const { violations } = await axe.run(document);
    return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 200)} ${node.failureSummary ?? ""}`));
  });
}
