/** Where the daemon's program is: `findDaemon` of the client, with what VS Code knows. */

import { findDaemon, type DaemonPlace } from "@byokd/client";

import { words } from "../words.js";

/** A program that may be the daemon. */
export interface Program {
  command: string;
  args: readonly string[];
  place: DaemonPlace;
}

export type ProgramSearch = { program: Program } | { program: undefined; message: string };

export interface SearchOptions {
  /** The setting; nothing else is used if it is set. */
  executable: string | undefined;
  /** Folders of a workspace that is not trusted. */
  untrustedFolders: readonly string[];
  /** Pass over programs that are older. Without it no program is started to ask. */
  minVersion: string | undefined;
}

export async function findProgram({ executable, untrustedFolders, minVersion }: SearchOptions): Promise<ProgramSearch> {
  const search = await findDaemon({
    untrustedFolders,
    ...(executable !== undefined && { setting: executable }),
    ...(minVersion !== undefined && { minVersion }),
  });
  if (search.path === null) {
    const message = executable === undefined ? search.message : words.daemon.settingIsWrong(search.message);
    return { program: undefined, message };
  }
  return { program: { command: search.path, args: ["--stdio"], place: search.place } };
}
