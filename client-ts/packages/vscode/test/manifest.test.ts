/** The manifest: settings that a workspace must not set, and commands that exist. */

import assert from "node:assert/strict";
import { access, readFile, readdir } from "node:fs/promises";
import { test } from "node:test";

import { PACKAGE, readManifest } from "../testing/manifest.js";

/** What a setting must not name if a workspace can set it. */
const DANGEROUS = /path|program|executable|file|folder|url|origin|proxy|certificate|account|host|address/i;

test("each setting that names a program, file or origin is of the machine and restricted", { timeout: 10_000 }, async () => {
  const { capabilities, contributes } = await readManifest();
  const { supported, restrictedConfigurations } = capabilities.untrustedWorkspaces;
  assert.equal(supported, "limited"); // VS Code ignores the list otherwise
  const settings = Object.entries(contributes.configuration.properties);
  const machine = settings.filter(([, { scope }]) => scope === "machine").map(([name]) => name);
  assert.deepEqual(machine.toSorted(), restrictedConfigurations.toSorted());
  for (const [name, { scope, description, markdownDescription }] of settings) {
    const text = `${name} ${description ?? markdownDescription}`;
    if (DANGEROUS.test(text)) assert.equal(scope, "machine", name);
  }
});

test("each command that a link or menu names is contributed", { timeout: 10_000 }, async () => {
  const { contributes } = await readManifest();
  const commands = new Set(contributes.commands.map(({ command }) => command));
  const texts = [...contributes.viewsWelcome.map(({ contents }) => contents), ...contributes.walkthroughs.flatMap(({ steps }) => steps.map(({ description }) => description))];
  const linked = texts.flatMap((text) => [...text.matchAll(/\(command:(byokd\.\w+)/g)].map(([, id]) => id ?? ""));
  const inMenus = Object.values(contributes.menus).flatMap((items) => items.map(({ command }) => command));
  assert.deepEqual([...linked, ...inMenus].filter((id) => !commands.has(id)), []);
  for (const { category, title } of contributes.commands) assert.ok(category === "byokd" && !title.includes("byokd"), title);
});

test("the code reads only settings that the manifest has", { timeout: 10_000 }, async () => {
  const { contributes } = await readManifest();
  const source = `${PACKAGE}src/`;
  const files = (await readdir(source, { recursive: true })).filter((name) => name.endsWith(".ts"));
  for (const name of files) {
    const text = await readFile(source + name, "utf8");
    if (name !== "config.ts") assert.doesNotMatch(text, /getConfiguration\("byokd/, `${name} reads settings; config.ts does that`);
  }
  assert.ok(Object.keys(contributes.configuration.properties).every((name) => name.startsWith("byokd.")));
});

test("each command that is contributed is registered once, and no other", { timeout: 10_000 }, async () => {
  const { contributes } = await readManifest();
  const files = (await readdir(`${PACKAGE}src/`, { recursive: true })).filter((name) => name.endsWith(".ts"));
  const texts = await Promise.all(files.map((name) => readFile(`${PACKAGE}src/${name}`, "utf8")));
  const registered = texts.flatMap((text) => [...text.matchAll(/\bregister(?:Command)?\("(byokd\.\w+)"/g)].map(([, id]) => id));
  assert.deepEqual(registered.toSorted(), contributes.commands.map(({ command }) => command).toSorted());
});

test("each picture and page of the walkthrough exists", { timeout: 10_000 }, async () => {
  const { contributes } = await readManifest();
  for (const { media } of contributes.walkthroughs.flatMap(({ steps }) => steps)) await access(PACKAGE + media.svg);
});
