/** The public API of the package. */

export { Chat } from "./chat.js";
export {
  Client,
  type CandidateInput,
  type ChatParams,
  type ConnectOptions,
  type ImportInput,
  type KeyInput,
  type PromptHandler,
  type RotateInput,
  type StartOptions,
} from "./client.js";
export { spawnDaemon, type Daemon, type DaemonStreams, type Exit, type SpawnOptions } from "./daemon.js";
export type { ClearSource } from "./keys.js";
export { ByokdError, ConnectionClosed, ProtocolError } from "./errors.js";
export { Recipient, sealInfo, Sealer, type SealTarget } from "./seal.js";
export type { InitializeInput, RekeyInput, UnlockInput, VaultChange } from "./vault.js";
export * from "./generated.js";
