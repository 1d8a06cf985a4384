/** Every sentence that the extension itself shows. Those of the daemon come from the daemon. */

export const words = {
  product: "byokd",
  daemon: {
    notInstalled: "the daemon of byokd is not installed on this machine",
    settingNotFound: (path: string) => `the setting byokd.executable names a program that does not exist: ${path}`,
    starting: "starting the daemon…",
    stopped: "the daemon was ended",
    unknownFailure: "the daemon could not be started",
  },
  actions: {
    install: "Install byokd",
    chooseProgram: "Choose the Program",
    restart: "Start It Again",
    showLog: "Show the Log",
    update: "Update byokd",
  },
} as const;
