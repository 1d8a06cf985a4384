/** Every sentence that the extension itself shows. Those of the daemon come from the daemon. */

export const words = {
  product: "byokd",
  daemon: {
    stopped: "the daemon was ended",
    outdated: (version: string, wanted: string) => `the daemon on this machine is ${version}, older than this extension (${wanted})`,
    restarting: "$(sync~spin) byokd: starting the daemon again",
    restarted: "The daemon was started again.",
    unknownFailure: "the daemon could not be started",
  },
  failure: (message: string) => `byokd: ${message}`,
  vault: {
    isUnlocked: "The vault is unlocked.",
    unlocked: "The vault is unlocked: your keys can be used.",
    locked: "The vault is locked in this window. Other editors have a vault of their own to lock.",
    unlock: "Unlock",
    passphrase: {
      title: "Unlock the Vault",
      prompt: "The passphrase that protects your keys",
      wrong: "This is not the passphrase. Try again, or open AI Providers to use the recovery code.",
    },
  },
  catalog: {
    refreshing: "$(sync~spin) byokd: refreshing providers and prices",
    refreshed: (date: string, changes: number) => `Providers, models and prices are of ${date} now: ${changes === 1 ? "1 change" : `${changes} changes`}.`,
    isNewest: (date: string) => `Providers, models and prices are up to date (${date}).`,
  },
  /** Where the keys lie, said in windows of another machine. */
  place: {
    hereNotThere: (remote: string) => `on this computer, not on the remote machine (${remote})`,
    there: (remote: string) => `on the remote machine (${remote})`,
    server: "on the machine that serves this page",
  },
  diagnostics: {
    title: "byokd diagnostics",
    copied: "The diagnostics are on the clipboard. They have no keys, labels or addresses.",
    show: "Show",
    copying: "$(sync~spin) byokd: collecting diagnostics",
  },
  install: {
    python: {
      none: "Python was not found. Install Python 3.11 to 3.14 and try again, or choose one in the setting byokd.python.",
      tooOld: (path: string, version: string) => `byokd needs Python 3.11 to 3.14, and ${path} is ${version}. Install a newer one and try again, or choose one in the setting byokd.python.`,
      noVenv: (path: string, version: string, platform: string) =>
        `${path} (${version}) comes without venv. ${platform === "linux" ? `Install it, on Debian and Ubuntu with: sudo apt install python${version}-venv` : "Install Python from its own site or a package manager"}. Then try again.`,
      settingIsNone: (path: string) => `The setting byokd.python names ${path}, which is not a Python that works.`,
      settingUnfit: (path: string, version: string) => `The setting byokd.python names ${path}, which is ${version}. byokd needs Python 3.11 to 3.14.`,
    },
  },
  actions: {
    install: "Install byokd",
    chooseProgram: "Choose the Program",
    restart: "Start It Again",
    showLog: "Show the Log",
    update: "Update byokd",
  },
} as const;
