/** On which machine the daemon runs, and so the keys lie. */

import { words } from "./words.js";

/** Where a window's parts run. */
export interface WindowPlace {
  /** Such as `ssh-remote`; undefined in a local window. */
  remoteName: string | undefined;
  /** Whether the extension runs beside the window's folder, and not where the person sits. */
  runsAtWorkspace: boolean;
  /** Whether the window is a page of a browser. */
  isWeb: boolean;
}

/** Words that follow "Your keys are"; undefined in a local window, where nobody asks. */
export function machineOfKeys({ remoteName, runsAtWorkspace, isWeb }: WindowPlace): string | undefined {
  if (isWeb) return words.place.server;
  if (remoteName === undefined) return undefined;
  return runsAtWorkspace ? words.place.there(remoteName) : words.place.hereNotThere(remoteName);
}
