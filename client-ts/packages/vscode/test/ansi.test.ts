/** The text of a terminal as HTML, as the pictures of the README are drawn. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { htmlOf } from "../testing/ansi.js";

const CASES: readonly (readonly [name: string, text: string, html: string])[] = [
  ["text without styles", "a b\nc", "a b\nc"],
  ["a style ends with the reset", "\u001b[1mid\u001b[0m name", '<span class="bold">id</span> name'],
  ["an empty sequence is a reset", "\u001b[2mid\u001b[m name", '<span class="dim">id</span> name'],
  ["styles add up, also over a line", "\u001b[1m\u001b[32ma\nb\u001b[39mc", '<span class="bold c2">a\nb</span><span class="bold">c</span>'],
  ["several codes in one sequence", "\u001b[0;3;4;91;49mx", '<span class="italic underline c9">x</span>'],
  ["text is no markup", "<a & b>", "&lt;a &amp; b&gt;"],
];

for (const [name, text, html] of CASES) {
  test(name, { timeout: 10_000 }, () => assert.equal(htmlOf(text), html));
}

test("what cannot be drawn is an error", { timeout: 10_000 }, () => {
  for (const text of ["\u001b[38;5;1mx", "\u001b]8;;https://a\u0007x", "a\rb", "\u001b[2Jx"]) assert.throws(() => htmlOf(text), text);
});
