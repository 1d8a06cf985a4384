/**
 * The text of a result that a tool rendered with `@vscode/prompt-tsx`.
 *
 * Its JSON is a tree: `node` is the root, `children` are below, and leaves have a `text`.
 */

const DEPTH_MAX = 100;

/** The text of the tree; JSON of the value if there is none in it. */
export function textOfTsx(value: unknown): string {
  const lines: string[] = [];
  collect(typeof value === "object" && value !== null && "node" in value ? value.node : value, lines, 0);
  return lines.length > 0 ? lines.join("") : JSON.stringify(value) ?? "";
}

function collect(node: unknown, lines: string[], depth: number): void {
  if (typeof node !== "object" || node === null || depth > DEPTH_MAX) return;
  if ("text" in node && typeof node.text === "string") {
    const isNewLine = "lineBreakBefore" in node && Boolean(node.lineBreakBefore) && lines.length > 0;
    lines.push(isNewLine ? `\n${node.text}` : node.text);
  }
  if ("children" in node && Array.isArray(node.children)) {
    for (const child of node.children) collect(child, lines, depth + 1);
  }
}
