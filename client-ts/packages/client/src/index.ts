/** The public API of the package. */

export { isKnownAction } from "./actions.js";
export { Chat } from "./chat.js";
export {
  Client,
  type CandidateInput,
  type ChatParams,
  type ImportInput,
  type KeyInput,
  type PromptHandler,
  type RotateInput,
  type StartOptions,
} from "./client.js";
export { childEnvironment, spawnDaemon, startFolder, type Daemon, type DaemonStreams, type Exit, type SpawnOptions } from "./daemon.js";
export {
  ByokdError,
  ConnectionClosed,
  DaemonCrashed,
  ProtocolError,
  StartError,
  type StartFailure,
} from "./errors.js";
export {
  findDaemon,
  type DaemonPlace,
  type DaemonSearch,
  type FindOptions,
  type LookedAt,
  type PassedOver,
} from "./find.js";
export type { ClearSource, Secrets } from "./keys.js";
export { Recipient, sealInfo, Sealer, type SealTarget } from "./seal.js";
export type { ConnectOptions } from "./session.js";
export type { StreamCounts } from "./streams.js";
export type { ClientState, RestartOptions } from "./supervisor.js";
export type { InitializeInput, RekeyInput, UnlockInput, VaultChange, VaultRekeyed } from "./vault.js";
export * from "./generated.js";
