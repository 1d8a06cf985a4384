/** A package whose wheel has an installer that the test writes. */

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { promisify } from "node:util";
import { brotliCompressSync } from "node:zlib";

const ZIP = "import sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], 'w') as wheel: [wheel.write(p, n) for p, n in zip(sys.argv[2::2], sys.argv[3::2])]";

/** Make the folder of packages; `code` is the `__main__` of `byokd.installer` in the wheel. */
export async function packagesWith(t: TestContext, python: string, code: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "byokd-packages-"));
  t.after(() => rm(folder, { recursive: true }));
  const [wheel, empty, main] = ["byokd-9.9.9-py3-none-any.whl", "empty.py", "main.py"].map((name) => join(folder, name)) as [string, string, string];
  await writeFile(empty, "");
  await writeFile(main, code);
  const members = [empty, "byokd/__init__.py", empty, "byokd/installer/__init__.py", main, "byokd/installer/__main__.py"];
  await promisify(execFile)(python, ["-I", "-c", ZIP, wheel, ...members]);
  await writeFile(`${wheel}.br`, brotliCompressSync(await readFile(wheel)));
  await rm(wheel);
  await writeFile(join(folder, "requirements.lock"), "");
  return folder;
}
