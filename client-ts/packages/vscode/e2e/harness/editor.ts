/** VS Code, served to a browser by code-server, with folders of its own. */

import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

import { CODE_SERVER, CODE_SERVER_NODE } from "./places.js";
import { Group } from "./processes.js";

const run = promisify(execFile);

/** Nothing is fetched from outside; all else is what a person has after installing VS Code. */
const SETTINGS = {
  "telemetry.telemetryLevel": "off",
  "update.mode": "none",
  "extensions.autoUpdate": false,
  "extensions.autoCheckUpdates": false,
  "workbench.enableExperiments": false,
};

/** An environment of string values. */
export type Environment = Readonly<Record<string, string>>;

type Settings = Readonly<Record<string, unknown>>;

export class Editor {
  readonly #folder: string;
  readonly #environment: Environment;
  #server: Group | undefined;
  #address = "";

  /** `folder` gets its data and extensions; `environment` is all that it inherits. */
  constructor(folder: string, environment: Environment) {
    this.#folder = folder;
    this.#environment = environment;
  }

  get address(): string {
    return this.#address;
  }

  /** The folder of the logs of extensions. */
  get logs(): string {
    return join(this.#folder, "data", "logs");
  }

  async install(vsix: string): Promise<void> {
    await this.userSettings({});
    await run(CODE_SERVER_NODE, [...this.#arguments(), "--install-extension", vsix, "--force"], { env: this.#environment });
  }

  /** Set the person's own settings. */
  async userSettings(settings: Settings): Promise<void> {
    await this.#write("User", { ...SETTINGS, ...settings });
  }

  /** Set the settings of the machine, which no workspace and no synchronization can. */
  async machineSettings(settings: Settings): Promise<void> {
    await this.#write("Machine", settings);
  }

  async #write(place: string, settings: Settings): Promise<void> {
    await mkdir(join(this.#folder, "data", place), { recursive: true });
    await writeFile(join(this.#folder, "data", place, "settings.json"), JSON.stringify(settings));
  }

  async start(): Promise<void> {
    const words = ["--auth", "none", "--bind-addr", "127.0.0.1:0", "--disable-telemetry", "--disable-update-check", "--disable-getting-started-override"];
    this.#server = Group.start(CODE_SERVER_NODE, [...this.#arguments(), ...words], this.#environment);
    this.#address = await this.#server.line((line) => /HTTP server listening on (\S+)/.exec(line)?.[1]);
  }

  async stop(): Promise<void> {
    await this.#server?.kill();
  }

  #arguments(): string[] {
    const folder = this.#folder;
    return [CODE_SERVER, "--user-data-dir", join(folder, "data"), "--extensions-dir", join(folder, "extensions"), "--config", join(folder, "config.yaml")];
  }
}
