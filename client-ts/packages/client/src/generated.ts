// Generated from the daemon's types. Do not edit: tests/protocol/test_schema.py writes it.

/** Any JSON value. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;

/** Any JSON object. */
export interface JsonObject {
  readonly [name: string]: Json;
}

/** An enum that may grow within a version: have a default for unknown values. */
export type Open<T extends string> = T | (string & {});

/** An event of a newer daemon. Ignore it. */
export interface UnknownEvent {
  type: string;
  [name: string]: unknown;
}

/** An action of a newer daemon. Show no button for it. */
export interface UnknownAction {
  type: string;
  url: string | null;
  choices: readonly ProtectionChoice[] | null;
  details: JsonObject | null;
}

/** Options of every call. */
export interface CallOptions {
  /** Cancels the call: the daemon is notified and answers at once. */
  signal?: AbortSignal;
}

export const PROTOCOL_VERSION = 1;
export const SCHEMA_HASH = "sha256:4b8fa3c8b8ee9442026294f20d3b8481be9601ce7fedb2f0b40322bd67a87753";
export const SEALING_SUITE = "DHKEM(X25519,HKDF-SHA256)/HKDF-SHA256/AES-256-GCM";

/** The event types of this version. */
export const CHAT_EVENT_TYPES = [
  "start",
  "textStart",
  "textDelta",
  "textEnd",
  "reasoningStart",
  "reasoningDelta",
  "reasoningEnd",
  "toolCallStart",
  "toolCallDelta",
  "toolCallEnd",
  "citation",
  "usage",
  "retry",
  "raw",
  "finish",
] as const;

/** The action types of this version. */
export const ACTION_TYPES = [
  "initializeVault",
  "unlockVault",
  "resetVault",
  "rekeyVault",
  "restoreBackup",
  "promptKey",
  "enableKey",
  "acceptOrigin",
  "editSettings",
  "wait",
  "pickModel",
  "openUrl",
  "raiseBudget",
  "refreshCatalog",
  "checkNetwork",
  "freeSpace",
] as const;

/** The error kinds of this version. */
export const ERROR_KINDS = [
  "parse",
  "invalidRequest",
  "methodNotFound",
  "invalidParams",
  "internal",
  "notInitialized",
  "overloaded",
  "cancelled",
  "vaultLocked",
  "vaultUnavailable",
  "vaultCorrupt",
  "storeBusy",
  "storeFailed",
  "vaultUninitialized",
  "keyMissing",
  "keyInvalid",
  "keyForbidden",
  "keyDisabled",
  "insufficientFunds",
  "rateLimited",
  "providerOverloaded",
  "providerError",
  "timeout",
  "network",
  "streamInterrupted",
  "providerRedirect",
  "modelNotFound",
  "contextOverflow",
  "contentFiltered",
  "unsupported",
  "badRequest",
  "budgetExceeded",
  "sharedQuotaExceeded",
  "conflict",
  "notFound",
] as const;

/** The methods of `Requests`. */
export const REQUEST_METHODS = [
  "provider/list",
  "provider/readAddress",
  "provider/test",
  "key/store",
  "key/rotate",
  "key/list",
  "key/probe",
  "key/disable",
  "key/enable",
  "key/delete",
  "key/setDefault",
  "key/setLabel",
  "key/acceptOrigin",
  "key/import",
  "key/export",
  "vault/status",
  "vault/initialize",
  "vault/unlock",
  "vault/lock",
  "vault/restore",
  "vault/rekey",
  "model/list",
  "model/refresh",
  "chat/send",
  "chat/countTokens",
  "catalog/show",
  "catalog/refresh",
  "catalog/undo",
  "audit/list",
  "audit/verify",
  "audit/export",
  "account/list",
  "account/delete",
] as const;

/** Send `key/acceptOrigin`; the daemon shows both origins and asks the person. */
export interface AcceptOriginAction {
  type: "acceptOrigin";
  url: null;
  choices: null;
  details: null;
  keyId: string;
  from: string;
  to: string;
}

/** Delete an account and all its keys; `confirm` repeats its name. */
export interface AccountDeleteParams {
  _meta?: JsonObject | null;
  account: string;
  confirm: string;
}

/** The number of deleted keys; `action` would make older copies of them unreadable too. */
export interface AccountDeleteResult {
  account: string;
  keys: number;
  action: Action | UnknownAction | null;
}

/** An account that holds keys or held some; `current` marks the account of this connection. */
export interface AccountInfo {
  account: string;
  keys: number;
  createdAt: number;
  current: boolean;
}

/** List the accounts. */
export interface AccountListParams {
  _meta?: JsonObject | null;
  cursor?: string | null;
  limit?: number;
}

/** Accounts by name. */
export interface AccountListResult {
  items: readonly AccountInfo[];
  nextCursor: string | null;
}

export type Action =
  | InitializeVaultAction
  | UnlockVaultAction
  | ResetVaultAction
  | RekeyVaultAction
  | RestoreBackupAction
  | PromptKeyAction
  | EnableKeyAction
  | AcceptOriginAction
  | EditSettingsAction
  | WaitAction
  | PickModelAction
  | OpenUrlAction
  | RaiseBudgetAction
  | RefreshCatalogAction
  | CheckNetworkAction
  | FreeSpaceAction;

/** The message of an assistant, as parts; it can be sent back as it is. */
export interface Answer {
  role: "assistant";
  content: readonly AnswerPart[];
  providerState: JsonObject | null;
}

export type AnswerPart =
  | TextPart
  | ImagePart
  | FilePart
  | ReasoningPart
  | ToolCallPart
  | CitationPart;

export type AuditAnchor =
  | "kept"
  | "none"
  | "changed"
  | "unreachable";

/**
 * Three lines to store elsewhere: origin, number of entries, base64 of the last entry's hash.
 *
 * `mac` authenticates them for this vault.
 */
export interface AuditCheckpoint {
  text: string;
  mac: string;
}

/** One event. `seq` gives the order; `at` is the wall-clock time. */
export interface AuditEntry {
  seq: number;
  at: number;
  event: string;
  provider: string | null;
  keyId: string | null;
  actor: string;
  details: JsonObject;
}

/** Export the whole chain, in order, page by page. */
export interface AuditExportParams {
  _meta?: JsonObject | null;
  cursor?: string | null;
  limit?: number;
}

/** A page of the chain as of the first page, and the checkpoint of all pages. */
export interface AuditExportResult {
  items: readonly AuditRecord[];
  nextCursor: string | null;
  storeId: string;
  checkpoint: AuditCheckpoint | null;
}

export type AuditFault =
  | "mac"
  | "gap"
  | "dup"
  | "order"
  | "truncated"
  | "foreignStore"
  | "tables";

/** A position in the chain: an entry's number and its two values in base64. */
export interface AuditLink {
  seq: number;
  h: string;
  m: string;
}

/** A position in the chain: an entry's number and its two values in base64. */
export interface AuditLinkInput {
  seq: number;
  h: string;
  m: string;
}

/** List this account's entries, newest first. */
export interface AuditListParams {
  _meta?: JsonObject | null;
  cursor?: string | null;
  limit?: number;
  keyId?: string | null;
}

export interface AuditListResult {
  items: readonly AuditEntry[];
  nextCursor: string | null;
}

/** One entry with everything that its two values cover; `body` is JSON text, hashed as it is. */
export interface AuditRecord {
  seq: number;
  epoch: number;
  tsUs: number;
  event: string;
  account: string;
  key: string;
  actor: string;
  body: string;
  h: string;
  m: string;
}

/** One entry with everything that its two values cover; `body` is JSON text, hashed as it is. */
export interface AuditRecordInput {
  seq: number;
  epoch: number;
  tsUs: number;
  event: string;
  account: string;
  key: string;
  actor: string;
  body: string;
  h: string;
  m: string;
}

export type AuditStatus =
  | "checking"
  | "whole"
  | "faulty";

/**
 * Verify the whole chain and compare the tables with it; or verify entries of an export.
 *
 * `entries` come from the export of store `storeId` and follow the entry `after`.
 */
export interface AuditVerifyParams {
  _meta?: JsonObject | null;
  entries?: readonly AuditRecordInput[] | null;
  after?: AuditLinkInput | null;
  storeId?: string | null;
}

/**
 * Whether the log is complete and unchanged; if not, the first bad entry and its fault.
 *
 * `anchor` is the state of the mark outside the store that reveals an older copy of the store.
 * `keys` are keys whose rows differ from the log; they are not used until they are enabled,
 * rotated or deleted. `macs` says whether the vault's own authentication was checked; for an
 * export, the vault must be open. `head` is the last good entry.
 */
export interface AuditVerifyResult {
  ok: boolean;
  entries: number;
  firstBadSeq: number | null;
  fault: Open<AuditFault> | null;
  message: string;
  anchor: Open<AuditAnchor>;
  keys: readonly string[];
  macs: boolean;
  head: AuditLink | null;
}

/** One backup; `number` 1 is the newest. It opens with what opened the vault at that time. */
export interface BackupInfo {
  number: number;
  takenAt: number;
  sizeBytes: number;
}

/** A file from `key/export`; `path` is absolute, `passphrase` is sealed for that field name. */
export interface BundleSource {
  type: "bundle";
  path: string;
  passphrase: SecretInput;
}

export type CatalogCause =
  | "refreshed"
  | "undone"
  | "putAside"
  | "elsewhere";

/**
 * One difference. `subject` is a model's id, a field's place in a record, or a row.
 *
 * `needsAccept` marks a price that moved ten-fold or more.
 */
export interface CatalogChange {
  kind: Open<"modelAdded" | "modelRemoved" | "modelChanged" | "priceChanged" | "recordChanged" | "rowAdded" | "rowRemoved">;
  provider: string | null;
  subject: string;
  before: string | null;
  after: string | null;
  needsAccept: boolean;
}

/** `catalog/changed`: other data is in use. `elsewhere`: another process changed it. */
export interface CatalogChanged {
  _meta?: JsonObject | null;
  catalog: CatalogInfo;
  cause: Open<CatalogCause>;
}

/** One change of the data in use. `putAside`: the file on disk was damaged. */
export interface CatalogEvent {
  at: number;
  event: Open<"refreshed" | "undone" | "putAside">;
  before: CatalogInfo;
  after: CatalogInfo;
}

/** One set of catalog data. `date` is the day that it is of, `YYYY-MM-DD`. */
export interface CatalogInfo {
  layer: Open<CatalogLayer>;
  date: string;
  sha256: string;
}

export type CatalogLayer =
  | "bundled"
  | "refreshed";

/** A record of the person in place of a shipped one. `unused` says why it is not in use. */
export interface CatalogOverride {
  provider: string;
  checked: string;
  unused: string | null;
}

/**
 * Use a newer catalog file: from `from`, an absolute path, or from the configured address.
 *
 * `accept` allows prices that moved ten-fold; with `dryRun` nothing is changed.
 */
export interface CatalogRefreshParams {
  _meta?: JsonObject | null;
  from?: string | null;
  accept?: boolean;
  dryRun?: boolean;
}

/**
 * `applied` is false for a dry run, and where the file is in use already.
 *
 * `more` counts the changes beyond those listed.
 */
export interface CatalogRefreshResult {
  applied: boolean;
  before: CatalogInfo;
  after: CatalogInfo;
  changes: readonly CatalogChange[];
  more: number;
}

/** Show the data in use, what it stands on, and when it changed. */
export interface CatalogShowParams {
  _meta?: JsonObject | null;
}

/**
 * `catalog` is in use.
 *
 * `refreshed` is the newest file on disk and `previous` the one before it, which an undo brings
 * back. `floor` is the newest date ever accepted: an older file is refused. `keyId` is the id of
 * the pinned public key. `mode` and `url` are those of the configuration.
 */
export interface CatalogShowResult {
  catalog: CatalogInfo;
  bundled: CatalogInfo;
  refreshed: CatalogVersion | null;
  previous: CatalogVersion | null;
  floor: string | null;
  mode: Open<"never" | "ask" | "weekly">;
  url: string | null;
  keyId: string | null;
  providers: number;
  models: number;
  errorRows: number;
  refusalRows: number;
  overrides: readonly CatalogOverride[];
  history: readonly CatalogEvent[];
}

/** Use the refreshed file before the present one, or the bundled data. */
export interface CatalogUndoParams {
  _meta?: JsonObject | null;
}

export interface CatalogUndoResult {
  before: CatalogInfo;
  after: CatalogInfo;
}

/** A refreshed file that is on disk. */
export interface CatalogVersion {
  date: string;
  sha256: string;
  acceptedAt: number;
  source: Open<"url" | "file">;
}

export type ChatEvent =
  | StartEvent
  | TextStartEvent
  | TextDeltaEvent
  | TextEndEvent
  | ReasoningStartEvent
  | ReasoningDeltaEvent
  | ReasoningEndEvent
  | ToolCallStartEvent
  | ToolCallDeltaEvent
  | ToolCallEndEvent
  | CitationEvent
  | UsageEvent
  | RetryEvent
  | RawEvent
  | FinishEvent;

/** `chat/events`: `seq` is the number of the first event here, counted from 0 without gaps. */
export interface ChatEvents {
  _meta?: JsonObject | null;
  streamId: string;
  seq: number;
  events: readonly (ChatEvent | UnknownEvent)[];
}

/** Check the connection, the proxy and the provider's address. */
export interface CheckNetworkAction {
  type: "checkNetwork";
  url: null;
  choices: null;
  details: null;
}

export type ChoiceReason =
  | "noSession"
  | "noBackend"
  | "timeout"
  | "backendLocked"
  | "promptDismissed"
  | "itemMissing"
  | "itemCorrupt";

export interface CitationEvent {
  type: "citation";
  source: Source;
  span: Span | null;
}

export interface CitationPart {
  type: "citation";
  providerState: JsonObject | null;
  source: Source;
  span: Span | null;
}

export interface CitationPartInput {
  type: "citation";
  providerState?: JsonObject | null;
  source: SourceInput;
  span?: SpanInput | null;
}

/** What the client supports: `prompt` is `window/showMessageRequest`. */
export interface ClientCapabilities {
  prompt?: boolean;
}

/** The client's name and version; the name is in the audit log. */
export interface ClientInfo {
  name: string;
  version?: string | null;
}

/** `initializationOptions.byokd`; unknown fields are warned of, so a newer client can attach. */
export interface ClientOptions {
  protocolVersion?: number;
  clientInfo?: ClientInfo | null;
  account?: string;
  capabilities?: ClientCapabilities;
  optOutNotifications?: readonly string[];
  features?: FeaturesInput;
}

/**
 * The cost of one call. An unknown amount is null, never zero.
 *
 * `source` says where the amount comes from: the provider's answer, the bundled catalog, the
 * user's own prices, or nowhere. `asOf` is the date of the price, as `YYYY-MM-DD`. `basis` names
 * the prices used: the layer (`bundled`, `refreshed`, `user`), a colon, and 16 digits of their
 * SHA-256.
 */
export interface Cost {
  amount: string | null;
  currency: string;
  source: Open<"provider" | "catalog" | "user" | "unknown">;
  asOf: string | null;
  basis: string | null;
  parts: CostParts | null;
}

/** Decimal text; null if unknown. */
export interface CostParts {
  input: string | null;
  cacheRead: string | null;
  cacheWrite: string | null;
  output: string | null;
  searches: string | null;
}

/**
 * Count the input tokens of a conversation (`messages`, with `tools`) or of a `text` alone.
 *
 * `exact` sends the conversation to the provider where it counts for free; elsewhere, and for a
 * `text`, the count is an estimate. An estimate opens no key and no connection.
 */
export interface CountTokensParams {
  _meta?: JsonObject | null;
  provider: string;
  model: string;
  keyId?: string | null;
  messages?: readonly Message[] | null;
  text?: string | null;
  tools?: readonly Tool[];
  reasoning?: Reasoning | null;
  exact?: boolean;
}

/** `basis` says, for people, what the count is based on. */
export interface CountTokensResult {
  inputTokens: number;
  method: Open<"exact" | "estimate">;
  basis: string;
}

/** Open the configuration file; `setting` names the entry, such as `catalog.url`. */
export interface EditSettingsAction {
  type: "editSettings";
  url: null;
  choices: null;
  details: null;
  setting: string | null;
}

export type Effort =
  | "none"
  | "minimal"
  | "low"
  | "medium"
  | "high"
  | "xhigh"
  | "max";

/** Send `key/enable`, or ask for a new secret. */
export interface EnableKeyAction {
  type: "enableKey";
  url: null;
  choices: null;
  details: JsonObject | null;
  keyId: string | null;
}

/** A file of `NAME=value` lines that the user named; `path` is absolute. */
export interface EnvFileSource {
  type: "envFile";
  path: string;
}

/** The daemon's own environment variables; dropped after the import. */
export interface EnvironmentSource {
  type: "environment";
}

/** `error.data` of every error response. Clients branch on `kind`. */
export interface ErrorData {
  kind: Open<ErrorKind>;
  errorId: string;
  retryable: boolean;
  retryAfterMs: number | null;
  provider: string | null;
  model: string | null;
  keyId: string | null;
  httpStatus: number | null;
  providerCode: string | null;
  providerMessage: string | null;
  providerRequestId: string | null;
  userMessage: string;
  action: Action | UnknownAction | null;
  partial: PartialAnswer | null;
  details: Json;
}

export type ErrorKind =
  | "parse"
  | "invalidRequest"
  | "methodNotFound"
  | "invalidParams"
  | "internal"
  | "notInitialized"
  | "overloaded"
  | "cancelled"
  | "vaultLocked"
  | "vaultUnavailable"
  | "vaultCorrupt"
  | "storeBusy"
  | "storeFailed"
  | "vaultUninitialized"
  | "keyMissing"
  | "keyInvalid"
  | "keyForbidden"
  | "keyDisabled"
  | "insufficientFunds"
  | "rateLimited"
  | "providerOverloaded"
  | "providerError"
  | "timeout"
  | "network"
  | "streamInterrupted"
  | "providerRedirect"
  | "modelNotFound"
  | "contextOverflow"
  | "contentFiltered"
  | "unsupported"
  | "badRequest"
  | "budgetExceeded"
  | "sharedQuotaExceeded"
  | "conflict"
  | "notFound";

/** Where a fact is from, and the day on which it was current (null for the person's own). */
export interface FactSource {
  source: Open<"live" | "record" | "catalog" | "user">;
  asOf: string | null;
}

/** The source of each fact that is known. */
export interface FactSources {
  price: FactSource | null;
  context: FactSource | null;
  output: FactSource | null;
  inputs: FactSource | null;
  efforts: FactSource | null;
  endsAt: FactSource | null;
  deprecated: FactSource | null;
}

/**
 * What an attempt used that failed before any content, and was followed by another.
 *
 * `attempt` counts from 1; `kind` is the kind of its error.
 */
export interface FailedAttempt {
  attempt: number;
  kind: Open<ErrorKind>;
  usage: Usage | null;
  cost: Cost;
}

/** Switches; a client can only switch off what the configuration allows. */
export interface Features {
  multiFieldProviders: boolean;
  sharedPool: boolean;
}

/** Switches; a client can only switch off what the configuration allows. */
export interface FeaturesInput {
  multiFieldProviders?: boolean;
  sharedPool?: boolean;
}

/**
 * One input of the form for a key. A secret field is sent sealed and never returned.
 *
 * `env` lists environment variables that other programs use for it. An `addressOnly` field is not
 * needed if a base URL is given.
 */
export interface FieldInfo {
  name: string;
  label: string;
  secret: boolean;
  required: boolean;
  pattern: string | null;
  hint: string | null;
  env: readonly string[];
  addressOnly: boolean;
}

/** A document: `data` (base64, with `mediaType`) or `url`, exactly one. */
export interface FilePart {
  type: "file";
  providerState: JsonObject | null;
  mediaType: string;
  data: string | null;
  url: string | null;
  name: string | null;
}

/** A document: `data` (base64, with `mediaType`) or `url`, exactly one. */
export interface FilePartInput {
  type: "file";
  providerState?: JsonObject | null;
  mediaType: string;
  data?: string | null;
  url?: string | null;
  name?: string | null;
}

/** The answer is complete; sent only if the call succeeds. */
export interface FinishEvent {
  type: "finish";
  finishReason: FinishReason;
  usage: Usage | null;
  cost: Cost;
}

/** Why the answer ended: byokd's reason, and the provider's own word in `raw`. */
export interface FinishReason {
  unified: UnifiedReason;
  raw: string | null;
}

/** Free some space on the disk of the vault. */
export interface FreeSpaceAction {
  type: "freeSpace";
  url: null;
  choices: null;
  details: null;
}

/**
 * A header of each request. A field in braces is filled from the key; a secret one never here.
 *
 * `value` is null for a signature, which each request has of its own. `otherwise` marks a header
 * that replaces the one before it where that one's field is empty.
 */
export interface HeaderInfo {
  name: string;
  value: string | null;
  otherwise: boolean;
}

/**
 * Another address of a provider, such as a region or a plan: a choice for a key's base URL.
 *
 * `baseUrl` may hold fields in braces, which `key/store` fills.
 */
export interface HostInfo {
  name: string;
  baseUrl: string;
  note: string;
}

/** A variable with an address, which is not used; keys of its provider may belong to it. */
export interface IgnoredVariable {
  variable: string;
  provider: string;
  reason: string;
}

/** An image: `data` (base64, with `mediaType`) or `url`, exactly one. */
export interface ImagePart {
  type: "image";
  providerState: JsonObject | null;
  mediaType: string | null;
  data: string | null;
  url: string | null;
}

/** An image: `data` (base64, with `mediaType`) or `url`, exactly one. */
export interface ImagePartInput {
  type: "image";
  providerState?: JsonObject | null;
  mediaType?: string | null;
  data?: string | null;
  url?: string | null;
}

/**
 * One item that the user chose.
 *
 * `fields` are non-secret fields that the source does not have, such as a region. `baseUrl` comes
 * from the user: a variable never decides where a key is sent.
 */
export interface ImportChoice {
  id: string;
  label?: string | null;
  fields?: { readonly [name: string]: string };
  baseUrl?: string | null;
  allowInsecureOrigin?: boolean;
  makeDefault?: boolean;
}

/** A key in the source. `fields` are the fields it has, `origin` where it would be sent. */
export interface ImportItem {
  id: string;
  provider: string;
  label: string | null;
  variables: readonly string[];
  fields: readonly string[];
  origin: string | null;
  baseUrl: string | null;
  last4: string | null;
  fingerprint: string | null;
  storedAs: string | null;
  problem: ImportProblem | null;
}

/** A chosen item: the stored key and its probe, or the error. */
export interface ImportOutcome {
  id: string;
  key: KeyInfo | null;
  probe: ProbeResult | null;
  notes: readonly string[];
  error: ErrorData | null;
}

/**
 * Why an item cannot be stored as it is.
 *
 * `type` is a display value: `missingField` or `baseUrl` (add it to the choice), `malformed`,
 * `stored` (this key is already stored for this origin).
 */
export interface ImportProblem {
  type: string;
  field: string | null;
  message: string;
}

export type ImportSource =
  | EnvironmentSource
  | VariablesSource
  | EnvFileSource
  | BundleSource;

/** The fields of LSP's `InitializeParams` that are read; others are ignored. */
export interface InitializeParams {
  _meta?: JsonObject | null;
  processId?: number | null;
  clientInfo?: ClientInfo | null;
  initializationOptions?: JsonObject | null;
}

/** Create the vault with one of the protections in `choices`. */
export interface InitializeVaultAction {
  type: "initializeVault";
  url: null;
  choices: readonly ProtectionChoice[];
  details: null;
}

/**
 * Seal a key for the address that its provider has now, after asking the person.
 *
 * `from` is the origin that the key was stored for, `to` that of the provider's record.
 */
export interface KeyAcceptOriginParams {
  _meta?: JsonObject | null;
  keyId: string;
  from: string;
  to: string;
}

export type KeyChange =
  | "stored"
  | "rotated"
  | "suspect"
  | "softDisabled"
  | "userDisabled"
  | "enabled"
  | "deleted"
  | "defaultSet"
  | "labelSet"
  | "originAccepted";

export interface KeyChanged {
  _meta?: JsonObject | null;
  keyId: string;
  provider: string;
  change: Open<KeyChange>;
  state: KeyState | null;
  reason: string | null;
}

export interface KeyDeleteResult {
  keyId: string;
}

/** Use a disabled key again, with `probe` after checking it with its provider. */
export interface KeyEnableParams {
  _meta?: JsonObject | null;
  keyId: string;
  probe?: boolean;
}

/** `probe` is null unless one was requested. */
export interface KeyEnableResult {
  key: KeyInfo;
  probe: ProbeResult | null;
}

/** Encrypt all or the named keys under a passphrase. */
export interface KeyExportParams {
  _meta?: JsonObject | null;
  passphrase: SecretInput;
  keyIds?: readonly string[] | null;
}

/** The encrypted file in base64. `leftOut` are the ids of keys that cannot be read. */
export interface KeyExportResult {
  bundle: string;
  keys: number;
  leftOut: readonly string[];
}

export type KeyFilePlace =
  | "own"
  | "systemd"
  | "runSecrets";

export interface KeyIdParams {
  _meta?: JsonObject | null;
  keyId: string;
}

/** List the items of a source (without `choose`), or store the chosen ones. */
export interface KeyImportParams {
  _meta?: JsonObject | null;
  source: ImportSource;
  choose?: readonly ImportChoice[] | null;
  probe?: ProbePolicy;
}

/** The items of the source; `outcomes` is null without `choose`. */
export interface KeyImportResult {
  items: readonly ImportItem[];
  ignored: readonly IgnoredVariable[];
  warnings: readonly SourceWarning[];
  outcomes: readonly ImportOutcome[] | null;
}

export interface KeyInfo {
  keyId: string;
  provider: string;
  label: string | null;
  isDefault: boolean;
  origin: string;
  baseUrl: string | null;
  allowInsecureOrigin: boolean;
  last4: string | null;
  fingerprint: string;
  fields: { readonly [name: string]: string | null };
  state: KeyState;
  reason: string | null;
  version: number;
  createdAt: number;
  rotatedAt: number | null;
  lastUsedAt: number | null;
  disabledAt: number | null;
}

export interface KeyListParams {
  _meta?: JsonObject | null;
  cursor?: string | null;
  limit?: number;
  provider?: string | null;
}

export interface KeyListResult {
  items: readonly ListedKey[];
  nextCursor: string | null;
}

/** Probe a stored key (`keyId`), or a new one (the other fields) without storing it. */
export interface KeyProbeParams {
  _meta?: JsonObject | null;
  keyId?: string | null;
  provider?: string | null;
  fields?: { readonly [name: string]: SecretInput | string };
  baseUrl?: string | null;
  allowInsecureOrigin?: boolean;
}

/** The probe; `action` offers to enable a disabled key that the provider now accepts. */
export interface KeyProbeResult {
  probe: ProbeResult;
  action: Action | UnknownAction | null;
}

export interface KeyResult {
  key: KeyInfo;
}

/**
 * Replace the secret of a key; its id and origin stay.
 *
 * `provider` and `baseUrl` are optional; if sent, they must be those of the key.
 */
export interface KeyRotateParams {
  _meta?: JsonObject | null;
  keyId: string;
  provider?: string | null;
  label?: string | null;
  fields: { readonly [name: string]: SecretInput | string };
  baseUrl?: string | null;
  probe?: ProbePolicy;
}

/** Name a key; null takes its label away. */
export interface KeySetLabelParams {
  _meta?: JsonObject | null;
  keyId: string;
  label: string | null;
}

export type KeyState =
  | "active"
  | "suspect"
  | "softDisabled"
  | "userDisabled";

/**
 * Store a new key. Field names come from `provider/list`; secret ones are `SecretInput`.
 *
 * `probe`: `require` refuses a key that the provider refuses, `requireAnswer` also one about which
 * the provider could not be asked; `warn` probes and stores, `skip` stores without a probe.
 */
export interface KeyStoreParams {
  _meta?: JsonObject | null;
  provider: string;
  label?: string | null;
  fields?: { readonly [name: string]: SecretInput | string };
  baseUrl?: string | null;
  allowInsecureOrigin?: boolean;
  probe?: ProbePolicy;
  makeDefault?: boolean;
}

/** The stored key and the result of its probe; `notes` lists what was removed from the input. */
export interface KeyStoreResult {
  key: KeyInfo;
  probe: ProbeResult | null;
  notes: readonly string[];
}

/** A key in a list; `runningChats` are the chats of this process that use it now. */
export interface ListedKey {
  keyId: string;
  provider: string;
  label: string | null;
  isDefault: boolean;
  origin: string;
  baseUrl: string | null;
  allowInsecureOrigin: boolean;
  last4: string | null;
  fingerprint: string;
  fields: { readonly [name: string]: string | null };
  state: KeyState;
  reason: string | null;
  version: number;
  createdAt: number;
  rotatedAt: number | null;
  lastUsedAt: number | null;
  disabledAt: number | null;
  runningChats: number;
}

/** `window/logMessage`. `type`: 1 error, 2 warning, 3 info, 4 log. */
export interface LogMessage {
  _meta?: JsonObject | null;
  type: number;
  message: string;
}

/** One message. A plain string as `content` is one text part. */
export interface Message {
  role: Role;
  content: string | readonly Part[];
  providerState?: JsonObject | null;
}

/** LSP's `MessageActionItem`. */
export interface MessageAction {
  title: string;
}

/** LSP's `MessageActionItem`. */
export interface MessageActionInput {
  title: string;
}

/** The models in a provider's list, or facts about them, changed; `models` is their number. */
export interface ModelChanged {
  _meta?: JsonObject | null;
  provider: string;
  keyId: string | null;
  models: number;
  seenAt: number;
}

/**
 * One model. An unknown fact is null.
 *
 * `source` is `live` (in the provider's list, fetched at `seenAt`), `catalog` (in the bundled
 * catalog), `static` (in the provider's record, because it serves no list) or `user` (in the
 * configuration, whose facts win). `keyId` is the key to call it with, null for the default key.
 * `efforts` are the reasoning efforts that can be requested. `endsAt` is when the provider
 * switches the model off; `retired` that it has done so. `unlisted` is set for a model that the
 * provider's list does not have.
 */
export interface ModelInfo {
  provider: string;
  keyId: string | null;
  id: string;
  name: string | null;
  source: Open<"live" | "catalog" | "user" | "static">;
  seenAt: number | null;
  chat: boolean | null;
  contextTokens: number | null;
  outputTokens: number | null;
  inputModalities: readonly string[] | null;
  tools: boolean | null;
  reasoning: boolean | null;
  price: ModelPrice | null;
  deprecated: boolean | null;
  efforts: readonly string[] | null;
  endsAt: number | null;
  retired: boolean | null;
  unlisted: boolean;
  unavailable: ModelUnavailable | null;
  facts: FactSources;
}

/** Why a list could not be fetched. `seenAt` is the time of the last list, still returned. */
export interface ModelListFailure {
  provider: string;
  keyId: string | null;
  kind: Open<ErrorKind>;
  message: string;
  seenAt: number | null;
}

/**
 * List the models of one provider, or of all providers that have a key.
 *
 * `allProviders` adds the bundled catalog's models of the other providers. The last list fetched
 * is returned at once; if it is old, it is fetched again in the background, and `model/changed`
 * reports a difference. `refresh` fetches first and waits; it has no effect with a `cursor`.
 * `includeUnlisted` adds the catalog's models that the provider's list lacks, and retired ones.
 */
export interface ModelListParams {
  _meta?: JsonObject | null;
  cursor?: string | null;
  limit?: number;
  provider?: string | null;
  keyId?: string | null;
  allProviders?: boolean;
  refresh?: boolean;
  includeUnlisted?: boolean;
}

/** `stale` is whether any provider's list on this page is old. */
export interface ModelListResult {
  items: readonly ModelInfo[];
  nextCursor: string | null;
  stale: boolean;
  failures: readonly ModelListFailure[];
}

/** Prices per million tokens as decimal text; null if unknown. */
export interface ModelPrice {
  currency: string;
  input: string | null;
  output: string | null;
  cacheRead: string | null;
  cacheWrite: string | null;
  asOf: string | null;
}

export interface ModelRefreshParams {
  _meta?: JsonObject | null;
  provider?: string | null;
  keyId?: string | null;
}

export interface ModelRefreshResult {
  refreshed: readonly RefreshedList[];
  failures: readonly ModelListFailure[];
}

/**
 * Why a model cannot be used now.
 *
 * `kind` is that of the error that a call would get, `keyId` the key that cannot be used.
 */
export interface ModelUnavailable {
  kind: Open<ErrorKind>;
  keyId: string | null;
  action: Action | UnknownAction | null;
}

/** Open a page of the provider, such as the one for payments. */
export interface OpenUrlAction {
  type: "openUrl";
  url: string;
  choices: null;
  details: null;
}

export type Part =
  | TextPartInput
  | ImagePartInput
  | FilePartInput
  | ReasoningPartInput
  | ToolCallPartInput
  | ToolResultPart
  | CitationPartInput;

/** What had arrived of an answer before it failed, and what it used. */
export interface PartialAnswer {
  message: Answer;
  usage: Usage | null;
  cost: Cost;
  failedAttempts: readonly FailedAttempt[];
}

/** Choose another model of `provider`. */
export interface PickModelAction {
  type: "pickModel";
  url: null;
  choices: null;
  details: null;
  provider: string | null;
}

export type ProbePolicy =
  | "require"
  | "requireAnswer"
  | "warn"
  | "skip";

export interface ProbeResult {
  verdict: Open<Verdict>;
  httpStatus: number | null;
  message: string;
  modelsSeen: number | null;
  details: JsonObject;
  checkedAt: number;
  durationMs: number;
}

/**
 * Show the form for a key of `provider`, or a new secret for `keyId`.
 *
 * `url` is the page of the provider where keys are made.
 */
export interface PromptKeyAction {
  type: "promptKey";
  url: string | null;
  choices: null;
  details: null;
  provider: string | null;
  keyId: string | null;
}

/**
 * What a prompt is about, for programs; `message` is for people.
 *
 * `keyId`, `provider` and `label` name a key. `reason` of a key is `rejected` or `accepted`, of a
 * catalog `old`, of an origin `moved`.
 */
export interface PromptMeta {
  topic: Open<PromptTopic>;
  keyId: string | null;
  provider: string | null;
  label: string | null;
  reason: string | null;
}

export type PromptTopic =
  | "key"
  | "catalog"
  | "budget"
  | "origin";

export type Protection =
  | "osKeyring"
  | "passphrase"
  | "keyFile"
  | "memory";

/**
 * A protection that a vault can have, with two texts for the user.
 *
 * `reason` says why it is not available. An available one with `backendLocked` or
 * `promptDismissed` asks the user to unlock the keyring first.
 */
export interface ProtectionChoice {
  protection: Open<Protection>;
  available: boolean;
  reason: Open<ChoiceReason> | null;
  protectsAgainst: string;
  doesNotProtectAgainst: string;
}

/**
 * One provider. `dialects` are its wire formats, the default first.
 *
 * `hosts` are other addresses of the same provider; a key is stored for one of them by `baseUrl`.
 * `keyPrefixes` are how its keys begin, as far as they begin alike: a hint for which provider a
 * key is, never a check of one.
 * `layer` says where its record comes from: the package, a refreshed catalog, the person's file in
 * place of a shipped one (`override`), or a provider of the person's own. `asOf` is its day.
 */
export interface ProviderInfo {
  id: string;
  name: string;
  kind: Open<"managed" | "singleField" | "multiField" | "custom">;
  stage: Open<"stable" | "preview">;
  dialect: string;
  dialects: readonly string[];
  baseUrl: string | null;
  baseUrlRequired: boolean;
  baseUrlHint: string | null;
  baseUrlEnv: readonly string[];
  hosts: readonly HostInfo[];
  fields: readonly FieldInfo[];
  keyless: boolean;
  keyUrl: string | null;
  keyPrefixHint: string | null;
  keyPrefixes: readonly string[];
  docsUrl: string | null;
  toolCalling: string;
  pricing: string;
  tags: readonly string[];
  notes: readonly string[];
  chatAvailable: boolean;
  layer: Open<"bundled" | "refreshed" | "override" | "own">;
  asOf: string;
}

/** List the providers. */
export interface ProviderListParams {
  _meta?: JsonObject | null;
  cursor?: string | null;
  limit?: number;
}

export interface ProviderListResult {
  items: readonly ProviderInfo[];
  nextCursor: string | null;
}

/**
 * Read an address as `key/store` would, without a key and without a request.
 *
 * `baseUrl` is what a person pasted, null for the provider's own address. `fields` are those that
 * are no secret.
 */
export interface ProviderReadAddressParams {
  _meta?: JsonObject | null;
  provider: string;
  baseUrl?: string | null;
  fields?: { readonly [name: string]: string };
  allowInsecureOrigin?: boolean;
}

/**
 * What an address means. Nothing was sent.
 *
 * `fields` are the given ones and those read from the address, `baseUrl` the key's own address,
 * null for the usual one. `origin` and `chatUrl` are null while `missing` fields are needed for
 * them; a part of `chatUrl` in braces depends on the chat.
 */
export interface ProviderReadAddressResult {
  fields: { readonly [name: string]: string };
  baseUrl: string | null;
  origin: string | null;
  dialect: string;
  chatUrl: string | null;
  headers: readonly HeaderInfo[];
  missing: readonly string[];
  notes: readonly string[];
}

/**
 * Test a provider with a stored key (`keyId` or the default one) or with a new key.
 *
 * A new key is `fields` and `baseUrl` as in `key/store`; `baseUrl` alone tests the connection.
 * Only with `chat` is a model called, for one token: `model`, or the cheapest one listed.
 */
export interface ProviderTestParams {
  _meta?: JsonObject | null;
  provider: string;
  keyId?: string | null;
  fields?: { readonly [name: string]: SecretInput | string };
  baseUrl?: string | null;
  allowInsecureOrigin?: boolean;
  model?: string | null;
  chat?: boolean;
}

/**
 * All six steps, in order; the steps after a failed one are `skipped`.
 *
 * `ok` is whether none failed. With `proxied`, `dns` and `tcp` describe the connection to the
 * proxy.
 */
export interface ProviderTestResult {
  provider: string;
  keyId: string | null;
  baseUrl: string | null;
  proxied: boolean;
  ok: boolean;
  steps: readonly ProviderTestStep[];
  durationMs: number;
}

/**
 * One step. `message` is a sentence for the user.
 *
 * `kind` and `action` are as in an error, null if nothing failed. `durationMs` is null if the
 * step was skipped.
 */
export interface ProviderTestStep {
  name: Open<StepName>;
  status: Open<StepStatus>;
  durationMs: number | null;
  message: string;
  kind: Open<ErrorKind> | null;
  action: Action | UnknownAction | null;
  details: JsonObject;
}

/** Change the budget that does not allow the call. */
export interface RaiseBudgetAction {
  type: "raiseBudget";
  url: null;
  choices: null;
  details: null;
  budgetId: string | null;
}

/** The provider's chunk, sent if `includeRaw` is set. */
export interface RawEvent {
  type: "raw";
  chunk: Json;
}

/** How much the model reasons, on one scale for every provider. */
export interface Reasoning {
  effort: Effort;
}

export interface ReasoningDeltaEvent {
  type: "reasoningDelta";
  blockId: string;
  delta: string;
}

/** A block of reasoning is complete; send its `providerState` back unchanged. */
export interface ReasoningEndEvent {
  type: "reasoningEnd";
  blockId: string;
  kind: ReasoningKind;
  providerState: JsonObject | null;
}

export type ReasoningKind =
  | "raw"
  | "summary"
  | "redacted";

/** The model's reasoning: its own text, a summary, or redacted. */
export interface ReasoningPart {
  type: "reasoning";
  providerState: JsonObject | null;
  text: string;
  kind: ReasoningKind;
}

/** The model's reasoning: its own text, a summary, or redacted. */
export interface ReasoningPartInput {
  type: "reasoning";
  providerState?: JsonObject | null;
  text: string;
  kind?: ReasoningKind;
}

export interface ReasoningStartEvent {
  type: "reasoningStart";
  blockId: string;
  kind: ReasoningKind;
}

/** Send `catalog/refresh`, with `accept` after the person has seen the changes. */
export interface RefreshCatalogAction {
  type: "refreshCatalog";
  url: null;
  choices: null;
  details: JsonObject | null;
  accept: boolean;
}

/** `models` is the number of models in the list. */
export interface RefreshedList {
  provider: string;
  keyId: string | null;
  models: number;
  seenAt: number;
  changed: boolean;
}

export type RekeyChange =
  | "addSlot"
  | "replaceProtection"
  | "removeSlot"
  | "rootKey"
  | "dataKeys"
  | "everything";

/** Send `vault/rekey` with this change. */
export interface RekeyVaultAction {
  type: "rekeyVault";
  url: null;
  choices: null;
  details: null;
  change: Open<"rootKey" | "dataKeys" | "everything">;
}

/** Move the vault away and begin without keys; the person confirms with `storeId`. */
export interface ResetVaultAction {
  type: "resetVault";
  url: null;
  choices: null;
  details: null;
  storeId: string | null;
}

/** The answer must be JSON and match the schema, if there is one. */
export interface ResponseFormat {
  type?: "json";
  schema?: JsonObject | null;
  name?: string | null;
}

/** Choose a backup of `vault/status`; then `vault/restore`. */
export interface RestoreBackupAction {
  type: "restoreBackup";
  url: null;
  choices: null;
  details: null;
}

/** The request is repeated; happens only before the first content. */
export interface RetryEvent {
  type: "retry";
  attempt: number;
  kind: Open<ErrorKind>;
  delayMs: number;
}

export type Role =
  | "system"
  | "user"
  | "assistant"
  | "tool";

/**
 * What answered, after how many attempts. `keyId` is null if no stored key was used.
 *
 * `failedAttempts` lists the earlier attempts for which the provider reported usage or a cost;
 * they are not in the `usage` and `cost` of the answer.
 */
export interface Route {
  provider: string;
  model: string;
  keyId: string | null;
  attempts: number;
  failedAttempts: readonly FailedAttempt[];
}

/**
 * A secret from the daemon, encrypted to the recipient's public key.
 *
 * `sealed` is base64 of the HPKE wire form `enc || ct`.
 */
export interface SealedSecret {
  sealed: string;
}

/** How to seal a secret for this process. `publicKey` is base64 of 32 bytes. */
export interface Sealing {
  suite: string;
  publicKey: string;
  keyId: string;
}

/**
 * A secret for the daemon: sealed to its key, or plain from a client that cannot seal.
 *
 * `sealed` is base64 of the HPKE wire form `enc || ct`. Exactly one of the two is set.
 */
export interface SecretInput {
  sealed?: string | null;
  plain?: string | null;
}

/**
 * Send a conversation to a model.
 *
 * The client chooses `streamId`, unique per connection: events may arrive before the response. A
 * parameter that the provider does not take is dropped with a warning, or refused if `strict` is
 * set. `dialect` selects one of the wire formats in `provider/list`; without it the provider's
 * record decides.
 *
 * `providerOptions` are raw fields for this provider, merged last: objects are merged, lists of
 * tools are appended to, and any other raw field wins. A raw field that replaces a parameter is
 * reported in a warning, or refused if `strict` is set. `stream`, the client's tools and what the
 * token count needs are never replaced.
 *
 * `cache` is about the provider's prompt cache: `auto` marks what repeats and names the
 * conversation where the provider has that, `off` does neither, `5m` and `1h` also ask for this
 * lifetime. `_meta.client` names what made the request, such as an extension of the editor.
 */
export interface SendParams {
  _meta?: JsonObject | null;
  streamId: string;
  stream?: boolean;
  provider: string;
  model: string;
  keyId?: string | null;
  route?: "byok" | "shared" | "auto";
  messages: readonly Message[];
  tools?: readonly Tool[];
  toolChoice?: "auto" | "none" | "required" | ToolChoice | null;
  maxOutputTokens?: number | null;
  temperature?: number | null;
  topP?: number | null;
  stop?: readonly string[];
  seed?: number | null;
  reasoning?: Reasoning | null;
  responseFormat?: ResponseFormat | null;
  cache?: "auto" | "off" | "5m" | "1h";
  providerOptions?: JsonObject | null;
  dialect?: string | null;
  strict?: boolean;
  includeRaw?: boolean;
}

/** The authoritative answer; a client may ignore the events. */
export interface SendResult {
  message: Answer;
  finishReason: FinishReason;
  usage: Usage | null;
  cost: Cost;
  route: Route;
  warnings: readonly Warn[];
  providerRequestId: string | null;
}

export interface ServerLimits {
  maxMessageBytes: number;
  maxConcurrentStreams: number;
}

/** `capabilities.experimental.byokd`. `warnings` are about options that are not known. */
export interface ServerOptions {
  protocolVersion: number;
  schemaHash: string;
  account: string;
  sealing: Sealing;
  features: Features;
  limits: ServerLimits;
  warnings: readonly string[];
  vault: VaultInfo;
}

/**
 * `window/showMessageRequest`: a question with the titles of its answers.
 *
 * `type` is LSP's: 2 is a warning, 3 information.
 */
export interface ShowMessageRequest {
  type: number;
  message: string;
  actions: readonly MessageAction[];
  _meta?: PromptMeta;
}

/**
 * Each slot can open the vault.
 *
 * A `pending` slot is being created, a `retiring` one is being removed. `reason` says why the slot
 * did not open the vault the last time it was tried.
 */
export interface SlotInfo {
  id: string;
  kind: Open<SlotKind>;
  state: Open<SlotState>;
  createdAt: number;
  reason: string | null;
}

export type SlotKind =
  | "osKeyring"
  | "passphrase"
  | "keyFile"
  | "memory"
  | "recoveryCode";

export type SlotState =
  | "pending"
  | "active"
  | "retiring";

export interface Source {
  url: string | null;
  title: string | null;
  document: string | null;
}

export interface SourceInput {
  url?: string | null;
  title?: string | null;
  document?: string | null;
}

/** A warning about the source; `type` is a display value: `openToOthers`, `line`. */
export interface SourceWarning {
  type: string;
  line: number | null;
  message: string;
}

/** A range of the text in characters; `end` is exclusive. */
export interface Span {
  start: number;
  end: number;
}

/** A range of the text in characters; `end` is exclusive. */
export interface SpanInput {
  start: number;
  end: number;
}

/** The provider has begun to answer. */
export interface StartEvent {
  type: "start";
  provider: string;
  model: string;
  keyId: string | null;
  warnings: readonly Warn[];
}

export type StepName =
  | "dns"
  | "tcp"
  | "tls"
  | "auth"
  | "models"
  | "chat";

export type StepStatus =
  | "ok"
  | "failed"
  | "skipped";

export interface TextDeltaEvent {
  type: "textDelta";
  blockId: string;
  delta: string;
}

export interface TextEndEvent {
  type: "textEnd";
  blockId: string;
  providerState: JsonObject | null;
}

export interface TextPart {
  type: "text";
  providerState: JsonObject | null;
  text: string;
}

export interface TextPartInput {
  type: "text";
  providerState?: JsonObject | null;
  text: string;
}

export interface TextStartEvent {
  type: "textStart";
  blockId: string;
}

/** A function that the model may call; `inputSchema` is JSON Schema. */
export interface Tool {
  name: string;
  description?: string | null;
  inputSchema: JsonObject;
}

/** More of the arguments' JSON text. */
export interface ToolCallDeltaEvent {
  type: "toolCallDelta";
  callId: string;
  delta: string;
}

/** A tool call is complete: its parsed arguments, or why they cannot be parsed. */
export interface ToolCallEndEvent {
  type: "toolCallEnd";
  callId: string;
  name: string;
  arguments: Json;
  parseError: string | null;
  rawArguments: string | null;
  providerState: JsonObject | null;
}

/**
 * A tool call for the client to run.
 *
 * `arguments` is parsed JSON. If the model's JSON is invalid, it is null, `parseError` says why
 * and `rawArguments` is the text.
 */
export interface ToolCallPart {
  type: "toolCall";
  providerState: JsonObject | null;
  callId: string;
  name: string;
  arguments: Json;
  parseError: string | null;
  rawArguments: string | null;
}

/**
 * A tool call for the client to run.
 *
 * `arguments` is parsed JSON. If the model's JSON is invalid, it is null, `parseError` says why
 * and `rawArguments` is the text.
 */
export interface ToolCallPartInput {
  type: "toolCall";
  providerState?: JsonObject | null;
  callId: string;
  name: string;
  arguments?: Json;
  parseError?: string | null;
  rawArguments?: string | null;
}

export interface ToolCallStartEvent {
  type: "toolCallStart";
  callId: string;
  name: string;
}

/** The model must call this tool. */
export interface ToolChoice {
  name: string;
}

export interface ToolResultPart {
  type: "toolResult";
  providerState?: JsonObject | null;
  callId: string;
  content: string | readonly (TextPartInput | ImagePartInput)[];
  isError?: boolean;
}

export type UnifiedReason =
  | "stop"
  | "length"
  | "toolCalls"
  | "contentFilter"
  | "cancelled"
  | "error"
  | "other";

/** Ask for the passphrase, or let the OS keyring ask; then `vault/unlock`. */
export interface UnlockVaultAction {
  type: "unlockVault";
  url: null;
  choices: null;
  details: null;
}

export type UnrenewedReason =
  | "samePassphrase"
  | "sameRecoveryCode"
  | "providedFile"
  | "sourceFailed";

/**
 * A slot that opens older copies of the store, too, after `everything`.
 *
 * `reason`: the passphrase or the recovery code is the same as before; the key file is provided
 * from outside; or the keyring or the disk did not store a new key, and the old one is still used.
 */
export interface UnrenewedSlot {
  slotId: string;
  kind: Open<SlotKind>;
  reason: Open<UnrenewedReason>;
}

/**
 * Tokens of one call; each token is in exactly one of the five counts.
 *
 * A count that the provider did not report is null. `partial` is true if a count is null, or if
 * the provider's total has tokens that are in no count; the cost is then unknown unless the
 * provider reports it. `raw` is the provider's own object.
 */
export interface Usage {
  inputFresh: number | null;
  inputCacheRead: number;
  inputCacheWrite: number;
  outputText: number | null;
  outputReasoning: number;
  searches: number;
  partial: boolean;
  raw: JsonObject | null;
}

/** Cumulative usage: the last snapshot counts, snapshots are not summed. */
export interface UsageEvent {
  type: "usage";
  usage: Usage;
}

/** Environment variables that the client read, by name; each is sealed for that field name. */
export interface VariablesSource {
  type: "variables";
  variables: { readonly [name: string]: SecretInput };
}

export interface VaultChanged {
  _meta?: JsonObject | null;
  vault: VaultInfo;
}

/**
 * The state of the vault; `checking` until the store was read for the first time.
 *
 * `protection` is that of the weakest active slot; `degraded` says that it is weaker than an OS
 * keyring. `backend` names what holds the key. `protectsAgainst` and `doesNotProtectAgainst`
 * are texts for the user. `reason` is one of a list, such as `noBackend`, `backendLocked`,
 * `itemMissing`, `passphraseNeeded` or `rollback`. `audit` is the result of the last check of the
 * audit log. `anchor` is the state of the mark outside the store that reveals an older copy of the
 * store; null while the vault is not open. `choices` are the protections to choose from: of a new
 * vault where there is none, and in the result of `vault/status` those that an open vault can
 * change to.
 */
export interface VaultInfo {
  state: VaultState;
  protection: Open<Protection> | null;
  degraded: boolean;
  reason: string | null;
  hint: string | null;
  backend: string | null;
  protectsAgainst: string | null;
  doesNotProtectAgainst: string | null;
  choices: readonly ProtectionChoice[];
  slots: readonly SlotInfo[];
  audit: Open<AuditStatus> | null;
  anchor: Open<AuditAnchor> | null;
}

/**
 * Create the vault.
 *
 * A protection weaker than the OS keyring needs `acceptRisk` with its name. With
 * `recipientPublicKey` (base64 of an X25519 key) a recovery code is created as well and returned
 * once, sealed to that key.
 *
 * `keyFile` selects the file of a `keyFile`: byokd's own, `byokd-kek` among the credentials of a
 * systemd service, or `/run/secrets/byokd-kek` in a container. The last two are never written.
 */
export interface VaultInitializeParams {
  _meta?: JsonObject | null;
  protection?: Protection;
  acceptRisk?: string | null;
  passphrase?: SecretInput | null;
  keyFile?: KeyFilePlace;
  recipientPublicKey?: string | null;
}

/** `recoveryCode` is null unless one was requested. */
export interface VaultInitializeResult {
  vault: VaultInfo;
  recoveryCode: SealedSecret | null;
}

/** Drop the vault's keys from this process until `vault/unlock`. */
export interface VaultLockParams {
  _meta?: JsonObject | null;
}

/**
 * Change what opens the vault, or what its keys are sealed under.
 *
 * `addSlot` creates a slot of `kind`; `replaceProtection` creates one and removes every other
 * protection; `removeSlot` removes `slotId`; `rootKey` and `dataKeys` renew those keys,
 * `everything` renews both, and the key of each slot where that is possible: the keyring's item,
 * byokd's own key file, and the parameters of a passphrase. Older copies of the store then do not
 * open with the present keys.
 *
 * `passphrase` and `recoveryCode` are the present ones, needed where a new root key is wrapped
 * under them; `newPassphrase` is for a new slot of that kind. A new recovery code is returned
 * sealed to `recipientPublicKey`. It is created for a new slot of that kind, which replaces the
 * old code, and with a new root key if the old code is not given.
 */
export interface VaultRekeyParams {
  _meta?: JsonObject | null;
  change: RekeyChange;
  kind?: SlotKind | null;
  slotId?: string | null;
  acceptRisk?: string | null;
  passphrase?: SecretInput | null;
  newPassphrase?: SecretInput | null;
  keyFile?: KeyFilePlace;
  recoveryCode?: SecretInput | null;
  recipientPublicKey?: string | null;
}

/** `recoveryCode` is null unless one was created; `notRenewed` is for `everything`. */
export interface VaultRekeyResult {
  vault: VaultInfo;
  recoveryCode: SealedSecret | null;
  notRenewed: readonly UnrenewedSlot[];
}

/**
 * Replace the vault with a backup, in any state of the vault.
 *
 * `number` is from `vault/status`; `path` names another file instead. Without both, the newest
 * backup is used.
 */
export interface VaultRestoreParams {
  _meta?: JsonObject | null;
  number?: number | null;
  path?: string | null;
}

/**
 * `restored` is the backup's file; `aside` is where the previous store was moved, unchanged.
 *
 * If the store is now older than before, the vault is locked with the reason `rollback` until
 * `vault/unlock` accepts that.
 */
export interface VaultRestoreResult {
  restored: string;
  aside: string | null;
}

/** The vault as it is now, and its backups, newest first. */
export interface VaultResult {
  vault: VaultInfo;
  backups: readonly BackupInfo[];
}

export type VaultState =
  | "checking"
  | "unlocked"
  | "locked"
  | "uninitialized"
  | "unavailable";

/** Return the vault's state. */
export interface VaultStatusParams {
  _meta?: JsonObject | null;
}

/**
 * Open the vault with its passphrase, its recovery code, or without either.
 *
 * Without either, the OS keyring may show its prompt. `acceptRollback` accepts a store that is
 * older than when it was last used (reason `rollback`): keys that were deleted or rotated since
 * are in their old state. It also accepts an open vault whose `anchor` is `none` or `changed`, and
 * writes a new one.
 */
export interface VaultUnlockParams {
  _meta?: JsonObject | null;
  passphrase?: SecretInput | null;
  recoveryCode?: SecretInput | null;
  acceptRollback?: boolean;
}

export type Verdict =
  | "valid"
  | "validRestricted"
  | "noFunds"
  | "rateLimited"
  | "invalid"
  | "wrongProvider"
  | "wrongRegion"
  | "unreachable"
  | "unknown";

/** Wait, then try again; `retryAfterMs` is null if the provider did not say how long. */
export interface WaitAction {
  type: "wait";
  url: null;
  choices: null;
  details: null;
  retryAfterMs: number | null;
}

/**
 * A part of the request that was not sent as written.
 *
 * `type` is a display value: `dropped`, `renamed`, `adjusted`, `unsupported`, `notice`.
 */
export interface Warn {
  type: string;
  parameter: string | null;
  message: string;
}

/** The requests of a client. */
export interface Requests {
  "provider/list": { params: ProviderListParams; result: ProviderListResult };
  "provider/readAddress": { params: ProviderReadAddressParams; result: ProviderReadAddressResult };
  "provider/test": { params: ProviderTestParams; result: ProviderTestResult };
  "key/store": { params: KeyStoreParams; result: KeyStoreResult };
  "key/rotate": { params: KeyRotateParams; result: KeyStoreResult };
  "key/list": { params: KeyListParams; result: KeyListResult };
  "key/probe": { params: KeyProbeParams; result: KeyProbeResult };
  "key/disable": { params: KeyIdParams; result: KeyResult };
  "key/enable": { params: KeyEnableParams; result: KeyEnableResult };
  "key/delete": { params: KeyIdParams; result: KeyDeleteResult };
  "key/setDefault": { params: KeyIdParams; result: KeyResult };
  "key/setLabel": { params: KeySetLabelParams; result: KeyResult };
  "key/acceptOrigin": { params: KeyAcceptOriginParams; result: KeyResult };
  "key/import": { params: KeyImportParams; result: KeyImportResult };
  "key/export": { params: KeyExportParams; result: KeyExportResult };
  "vault/status": { params: VaultStatusParams; result: VaultResult };
  "vault/initialize": { params: VaultInitializeParams; result: VaultInitializeResult };
  "vault/unlock": { params: VaultUnlockParams; result: VaultResult };
  "vault/lock": { params: VaultLockParams; result: VaultResult };
  "vault/restore": { params: VaultRestoreParams; result: VaultRestoreResult };
  "vault/rekey": { params: VaultRekeyParams; result: VaultRekeyResult };
  "model/list": { params: ModelListParams; result: ModelListResult };
  "model/refresh": { params: ModelRefreshParams; result: ModelRefreshResult };
  "chat/send": { params: SendParams; result: SendResult };
  "chat/countTokens": { params: CountTokensParams; result: CountTokensResult };
  "catalog/show": { params: CatalogShowParams; result: CatalogShowResult };
  "catalog/refresh": { params: CatalogRefreshParams; result: CatalogRefreshResult };
  "catalog/undo": { params: CatalogUndoParams; result: CatalogUndoResult };
  "audit/list": { params: AuditListParams; result: AuditListResult };
  "audit/verify": { params: AuditVerifyParams; result: AuditVerifyResult };
  "audit/export": { params: AuditExportParams; result: AuditExportResult };
  "account/list": { params: AccountListParams; result: AccountListResult };
  "account/delete": { params: AccountDeleteParams; result: AccountDeleteResult };
}

/** The notifications of the daemon. */
export interface Notifications {
  "chat/events": ChatEvents;
  "key/changed": KeyChanged;
  "vault/changed": VaultChanged;
  "model/changed": ModelChanged;
  "catalog/changed": CatalogChanged;
  "window/logMessage": LogMessage;
}

/** The requests of the daemon. */
export interface ServerRequests {
  "window/showMessageRequest": { params: ShowMessageRequest; result: MessageActionInput | null };
}

/** Sends one request and returns its result. */
export type Call = <M extends keyof Requests>(
  method: M,
  params: Requests[M]["params"],
  options?: CallOptions,
) => Promise<Requests[M]["result"]>;

/** One typed function per method, by resource. */
export function resources(call: Call) {
  return {
    provider: {
      /** list the providers and the fields that each needs */
      list: (params: ProviderListParams = {}, options?: CallOptions) =>
        call("provider/list", params, options),
      /** show what a pasted address means, and where requests would go */
      readAddress: (params: ProviderReadAddressParams, options?: CallOptions) =>
        call("provider/readAddress", params, options),
      /** check the connection to a provider step by step */
      test: (params: ProviderTestParams, options?: CallOptions) =>
        call("provider/test", params, options),
    },
    key: {
      /** probe a new key and store it unless it is known bad */
      store: (params: KeyStoreParams, options?: CallOptions) =>
        call("key/store", params, options),
      /** replace the secret of a key */
      rotate: (params: KeyRotateParams, options?: CallOptions) =>
        call("key/rotate", params, options),
      /** list the stored keys, without their secrets */
      list: (params: KeyListParams = {}, options?: CallOptions) =>
        call("key/list", params, options),
      /** check a stored key or a new one with its provider */
      probe: (params: KeyProbeParams = {}, options?: CallOptions) =>
        call("key/probe", params, options),
      /** stop using a key until it is enabled */
      disable: (params: KeyIdParams, options?: CallOptions) =>
        call("key/disable", params, options),
      /** use a disabled key again */
      enable: (params: KeyEnableParams, options?: CallOptions) =>
        call("key/enable", params, options),
      /** delete a key */
      delete: (params: KeyIdParams, options?: CallOptions) =>
        call("key/delete", params, options),
      /** use this key where a request names none */
      setDefault: (params: KeyIdParams, options?: CallOptions) =>
        call("key/setDefault", params, options),
      /** name a key */
      setLabel: (params: KeySetLabelParams, options?: CallOptions) =>
        call("key/setLabel", params, options),
      /** use a key at the address that its provider has now, if the person agrees */
      acceptOrigin: (params: KeyAcceptOriginParams, options?: CallOptions) =>
        call("key/acceptOrigin", params, options),
      /** list the keys that a source holds, or store the chosen ones */
      import: (params: KeyImportParams, options?: CallOptions) =>
        call("key/import", params, options),
      /** encrypt keys for another machine; only from the command line */
      export: (params: KeyExportParams, options?: CallOptions) =>
        call("key/export", params, options),
    },
    vault: {
      /** whether keys can be used, and if not, why */
      status: (params: VaultStatusParams = {}, options?: CallOptions) =>
        call("vault/status", params, options),
      /** create the vault with a chosen protection */
      initialize: (params: VaultInitializeParams = {}, options?: CallOptions) =>
        call("vault/initialize", params, options),
      /** open the vault with a passphrase, a recovery code or the keyring's prompt */
      unlock: (params: VaultUnlockParams = {}, options?: CallOptions) =>
        call("vault/unlock", params, options),
      /** drop the vault's keys from this process until it is unlocked */
      lock: (params: VaultLockParams = {}, options?: CallOptions) =>
        call("vault/lock", params, options),
      /** replace the vault with a backup */
      restore: (params: VaultRestoreParams = {}, options?: CallOptions) =>
        call("vault/restore", params, options),
      /** change what opens the vault, or what its keys are sealed under */
      rekey: (params: VaultRekeyParams, options?: CallOptions) =>
        call("vault/rekey", params, options),
    },
    model: {
      /** list models from the provider and the bundled catalog, each with its source */
      list: (params: ModelListParams = {}, options?: CallOptions) =>
        call("model/list", params, options),
      /** fetch the providers' model lists now */
      refresh: (params: ModelRefreshParams = {}, options?: CallOptions) =>
        call("model/refresh", params, options),
    },
    chat: {
      /** send a conversation to a model */
      send: (params: SendParams, options?: CallOptions) =>
        call("chat/send", params, options),
      /** count the input tokens of a conversation, by an estimate or by the provider */
      countTokens: (params: CountTokensParams, options?: CallOptions) =>
        call("chat/countTokens", params, options),
    },
    catalog: {
      /** which provider and model data is in use, and how old it is */
      show: (params: CatalogShowParams = {}, options?: CallOptions) =>
        call("catalog/show", params, options),
      /** use newer provider and model data, or show what it would change */
      refresh: (params: CatalogRefreshParams = {}, options?: CallOptions) =>
        call("catalog/refresh", params, options),
      /** use the data before the last refresh again */
      undo: (params: CatalogUndoParams = {}, options?: CallOptions) =>
        call("catalog/undo", params, options),
    },
    audit: {
      /** list audit entries */
      list: (params: AuditListParams = {}, options?: CallOptions) =>
        call("audit/list", params, options),
      /** check that the audit log is complete and unchanged */
      verify: (params: AuditVerifyParams = {}, options?: CallOptions) =>
        call("audit/verify", params, options),
      /** export the audit log, to store and verify it elsewhere */
      export: (params: AuditExportParams = {}, options?: CallOptions) =>
        call("audit/export", params, options),
    },
    account: {
      /** list the accounts that hold keys */
      list: (params: AccountListParams = {}, options?: CallOptions) =>
        call("account/list", params, options),
      /** delete an account and all its keys */
      delete: (params: AccountDeleteParams, options?: CallOptions) =>
        call("account/delete", params, options),
    },
  };
}

export type Resources = ReturnType<typeof resources>;
