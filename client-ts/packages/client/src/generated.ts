// Generated from the daemon's types. Do not edit: tests/protocol/test_schema.py renews it.

/** Any JSON value. */
export type Json = string | number | boolean | null | readonly Json[] | JsonObject;

/** Any JSON object. */
export interface JsonObject {
  readonly [name: string]: Json;
}

/** An enum that may grow inside a major version: have a default for what you do not know. */
export type Open<T extends string> = T | (string & {});

/** An event of a newer daemon. Ignore it. */
export interface UnknownEvent {
  type: string;
  [name: string]: unknown;
}

/** What every call takes beside its params. */
export interface CallOptions {
  /** Cancels the call: the daemon is told and answers at once. */
  signal?: AbortSignal;
}

export const PROTOCOL_VERSION = 1;
export const SCHEMA_HASH = "sha256:cd6965073906163919b893088f8fc9069da271ff01ee0182e0032f8993bc3175";
export const SEALING_SUITE = "DHKEM(X25519,HKDF-SHA256)/HKDF-SHA256/AES-256-GCM";

/** The events this file knows. */
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

/** The error kinds this file knows. */
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

/** Forget an account and all its keys; `confirm` is its name once more. */
export interface AccountDeleteParams {
  _meta?: JsonObject | null;
  account: string;
  confirm: string;
}

/** The account is gone, and `keys` keys with it; `action` is what would end old copies too. */
export interface AccountDeleteResult {
  account: string;
  keys: number;
  action: Action | null;
}

/** An account that holds keys, or has held some; `current` is the one of this connection. */
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

/** A page of accounts, by name. */
export interface AccountListResult {
  items: readonly AccountInfo[];
  nextCursor: string | null;
}

/**
 * The one thing that would help, for a button.
 *
 * `type` is a display value: `openUrl`, `promptKey`, `enableKey`, `initializeVault`,
 * `unlockVault`, `pickModel`, `wait`, `checkNetwork`, `freeSpace`, `editSettings`,
 * `restoreBackup`, `rekeyVault`.
 */
export interface Action {
  type: string;
  url: string | null;
  choices: readonly string[] | null;
  details: JsonObject | null;
}

export type AuditAnchor =
  | "kept"
  | "none"
  | "changed"
  | "unreachable";

/**
 * Three lines to keep elsewhere: origin, number of entries, base64 of the last one's hash.
 *
 * `mac` authenticates them for this vault.
 */
export interface AuditCheckpoint {
  text: string;
  mac: string;
}

/** One event. Order is `seq`; `at` is the wall clock, for people. */
export interface AuditEntry {
  seq: number;
  at: number;
  event: string;
  provider: string | null;
  keyId: string | null;
  actor: string;
  details: JsonObject;
}

/** Take out the whole chain, in order, page by page. */
export interface AuditExportParams {
  _meta?: JsonObject | null;
  cursor?: string | null;
  limit?: number;
}

/** A page of the chain as it was at the first page, and the checkpoint of all its pages. */
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

/** Where a chain stands: the entry and its two values, base64. */
export interface AuditLink {
  seq: number;
  h: string;
  m: string;
}

/** Where a chain stands: the entry and its two values, base64. */
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

/** A page of entries. */
export interface AuditListResult {
  items: readonly AuditEntry[];
  nextCursor: string | null;
}

/** One entry with all that its links bind; `body` is JSON as a text, hashed as it stands. */
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

/** One entry with all that its links bind; `body` is JSON as a text, hashed as it stands. */
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

export type AuditStanding =
  | "checking"
  | "whole"
  | "faulty";

/**
 * Check the whole chain and the tables against it; or entries of an export.
 *
 * `entries` come from the export of store `storeId`, right after `after`.
 */
export interface AuditVerifyParams {
  _meta?: JsonObject | null;
  entries?: readonly AuditRecordInput[] | null;
  after?: AuditLinkInput | null;
  storeId?: string | null;
}

/**
 * Whether the record is whole; where it is not, the first bad entry and how.
 *
 * `anchor` tells of the mark that is kept apart from the store, which an older copy of the store
 * is noticed by. `keys` are the keys in the tables that are not what the record tells of them;
 * they are not used until they are enabled, rotated or deleted. `macs` says whether the vault's
 * own authentication was checked: that of an export is, while its vault is open. `head` is the
 * last entry that was found good.
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

/** A file that `key/export` made, by its absolute path; sealed for the field `passphrase`. */
export interface BundleSource {
  type: "bundle";
  path: string;
  passphrase: SecretInput;
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

/** `chat/events`: `seq` is the number of the first event here, counted without gaps from 0. */
export interface ChatEvents {
  _meta?: JsonObject | null;
  streamId: string;
  seq: number;
  events: readonly (ChatEvent | UnknownEvent)[];
}

/** A source for what was said. */
export interface CitationEvent {
  type: "citation";
  source: Source;
  span: Span | null;
}

/** A source for what was said. */
export interface CitationPart {
  type: "citation";
  providerState: JsonObject | null;
  source: Source;
  span: Span | null;
}

/** A source for what was said. */
export interface CitationPartInput {
  type: "citation";
  providerState?: JsonObject | null;
  source: SourceInput;
  span?: SpanInput | null;
}

/** What the client can do for the daemon: `prompt` is `window/showMessageRequest`. */
export interface ClientCapabilities {
  prompt?: boolean;
}

/** Who asks, for the audit trail. */
export interface ClientInfo {
  name: string;
  version?: string | null;
}

/** `initializationOptions.byokd`; unknown fields are ignored, so a newer client can attach. */
export interface ClientOptions {
  protocolVersion?: number;
  clientInfo?: ClientInfo | null;
  account?: string;
  capabilities?: ClientCapabilities;
  optOutNotifications?: readonly string[];
  features?: FeaturesInput;
}

/**
 * Money for one call. An unknown amount is null, never zero.
 *
 * `source` tells who says so: the provider in its answer, the bundled catalog, the user's own
 * price list, or nobody. `asOf` is the date of the price, as `YYYY-MM-DD`.
 */
export interface Cost {
  amount: string | null;
  currency: string;
  source: Open<"provider" | "catalog" | "user" | "unknown">;
  asOf: string | null;
  parts: CostParts | null;
}

/** Where the money went; decimal text, null where it is not known. */
export interface CostParts {
  input: string | null;
  cacheRead: string | null;
  cacheWrite: string | null;
  output: string | null;
  searches: string | null;
}

export type Effort =
  | "none"
  | "minimal"
  | "low"
  | "medium"
  | "high"
  | "max";

/** A file of `NAME=value` lines that the person named, by its absolute path. */
export interface EnvFileSource {
  type: "envFile";
  path: string;
}

/** The variables that the daemon itself was started with. They are let go after the import. */
export interface EnvironmentSource {
  type: "environment";
}

/** `error.data` of every error answer. Clients branch on `kind`. */
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
  action: Action | null;
  partial: JsonObject | null;
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

/** Switches; the client can only narrow what the configuration allows. */
export interface Features {
  multiFieldProviders: boolean;
  sharedPool: boolean;
}

/** Switches; the client can only narrow what the configuration allows. */
export interface FeaturesInput {
  multiFieldProviders?: boolean;
  sharedPool?: boolean;
}

/**
 * One input of the key form. A secret field travels sealed and is never shown again.
 *
 * `env` names the variables in which other programs keep it. Where `addressOnly`, a base URL of
 * one's own takes the place of the field.
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

/** The answer is whole; sent only when the call succeeds. */
export interface FinishEvent {
  type: "finish";
  finishReason: FinishReason;
  usage: Usage | null;
  cost: Cost;
}

/** Why the answer ended: one of ours, beside the provider's own word. */
export interface FinishReason {
  unified: UnifiedReason;
  raw: string | null;
}

/** A variable that names an address: an item of its provider may belong there. */
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
 * One item that the person wants, and what they add to it.
 *
 * `fields` are plain ones that the source does not name, such as a region. `baseUrl` is the
 * person's own word on where the key goes: a variable never decides that.
 */
export interface ImportChoice {
  id: string;
  label?: string | null;
  fields?: { readonly [name: string]: string };
  baseUrl?: string | null;
  allowInsecureOrigin?: boolean;
  makeDefault?: boolean;
}

/** A key that was found. `fields` names those the source has, `origin` where it would go. */
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

/** What became of a chosen item: the stored key and its probe, or why not. */
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
 * `type` is a display value: `missingField` (add it to the choice), `baseUrl` (give one in the
 * choice), `malformed`, `stored` (this very key is stored for this very place).
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

/** LSP's `InitializeParams`, of which only these are read; others are ignored. */
export interface InitializeParams {
  _meta?: JsonObject | null;
  processId?: number | null;
  clientInfo?: ClientInfo | null;
  initializationOptions?: JsonObject | null;
}

export type KeyChange =
  | "stored"
  | "rotated"
  | "suspect"
  | "softDisabled"
  | "userDisabled"
  | "enabled"
  | "deleted"
  | "defaultSet";

/** `key/changed`: something happened to a key of this account. */
export interface KeyChanged {
  _meta?: JsonObject | null;
  keyId: string;
  provider: string;
  change: Open<KeyChange>;
  state: KeyState | null;
  reason: string | null;
}

/** The key is gone. */
export interface KeyDeleteResult {
  keyId: string;
}

/** Use a disabled key again, after a probe when `probe` is set. */
export interface KeyEnableParams {
  _meta?: JsonObject | null;
  keyId: string;
  probe?: boolean;
}

/** The key as it is now, and what its probe said when one was asked for. */
export interface KeyEnableResult {
  key: KeyInfo;
  probe: ProbeResult | null;
}

/** Seal keys for another machine, all or the named ones, under a passphrase (sealed, too). */
export interface KeyExportParams {
  _meta?: JsonObject | null;
  passphrase: SecretInput;
  keyIds?: readonly string[] | null;
}

/** The encrypted file, in base64. `leftOut` are ids of keys that cannot be read any more. */
export interface KeyExportResult {
  bundle: string;
  keys: number;
  leftOut: readonly string[];
}

export type KeyFilePlace =
  | "own"
  | "systemd"
  | "runSecrets";

/** Name one key. */
export interface KeyIdParams {
  _meta?: JsonObject | null;
  keyId: string;
}

/** Look into a source (without `choose`), or store the items that were chosen from it. */
export interface KeyImportParams {
  _meta?: JsonObject | null;
  source: ImportSource;
  choose?: readonly ImportChoice[] | null;
  probe?: ProbePolicy;
}

/** What the source holds, and for each chosen item what became of it; null in a preview. */
export interface KeyImportResult {
  items: readonly ImportItem[];
  ignored: readonly IgnoredVariable[];
  warnings: readonly SourceWarning[];
  outcomes: readonly ImportOutcome[] | null;
}

/** What is told about a stored key. */
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

/** List keys, of one provider or of all. */
export interface KeyListParams {
  _meta?: JsonObject | null;
  cursor?: string | null;
  limit?: number;
  provider?: string | null;
}

/** A page of keys. */
export interface KeyListResult {
  items: readonly KeyInfo[];
  nextCursor: string | null;
}

/** Probe a stored key (`keyId`), or a candidate that is not stored (the other fields). */
export interface KeyProbeParams {
  _meta?: JsonObject | null;
  keyId?: string | null;
  provider?: string | null;
  fields?: { readonly [name: string]: SecretInput | string };
  baseUrl?: string | null;
  allowInsecureOrigin?: boolean;
}

/** What the provider said; `action` offers to use a rejected key again that is accepted now. */
export interface KeyProbeResult {
  probe: ProbeResult;
  action: Action | null;
}

/** The key as it is now. */
export interface KeyResult {
  key: KeyInfo;
}

/**
 * Replace the secret of a key; its id and origin stay.
 *
 * `provider` and `baseUrl` need not be sent; where they are, they must be the key's own.
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

export type KeyState =
  | "active"
  | "suspect"
  | "softDisabled"
  | "userDisabled";

/** Store a new key. Field names come from `provider/list`; secret ones are `SecretInput`. */
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

/** The stored key and what its probe said; `notes` names what was cleaned from the input. */
export interface KeyStoreResult {
  key: KeyInfo;
  probe: ProbeResult | null;
  notes: readonly string[];
}

/** `window/logMessage`. `type`: 1 error, 2 warning, 3 info, 4 log. */
export interface LogMessage {
  _meta?: JsonObject | null;
  type: number;
  message: string;
}

/** One turn. A plain string stands for one text part. */
export interface Message {
  role: Role;
  content: string | readonly Part[];
  providerState: JsonObject | null;
}

/** LSP's `MessageActionItem`. */
export interface MessageAction {
  title: string;
}

/** LSP's `MessageActionItem`. */
export interface MessageActionInput {
  title: string;
}

/** One turn. A plain string stands for one text part. */
export interface MessageInput {
  role: Role;
  content: string | readonly PartInput[];
  providerState?: JsonObject | null;
}

/** `model/changed`: a provider lists other models, or says other things of them, than before. */
export interface ModelChanged {
  _meta?: JsonObject | null;
  provider: string;
  keyId: string | null;
  models: number;
  seenAt: number;
}

/**
 * One model. A fact that nobody states is null.
 *
 * `source` is `live` (the provider lists it; `seenAt` says when it was asked), `catalog` (the
 * bundled facts), `static` (named by the provider's record, where it serves no list) or `user`
 * (named in the configuration, whose facts win).
 */
export interface ModelInfo {
  provider: string;
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
}

/**
 * Why a provider's live list could not be had.
 *
 * What was known before is still listed; `seenAt` says how old that is, null where nothing was.
 */
export interface ModelListFailure {
  provider: string;
  kind: string;
  message: string;
  seenAt: number | null;
}

/**
 * List models of one provider, or of all that have a key.
 *
 * `allProviders` adds the others, as the bundled catalog knows them. What was seen before is
 * answered at once, however old; where it is old it is asked for again meanwhile, and
 * `model/changed` tells of a difference. `refresh` asks now and waits; with a `cursor` it does
 * nothing, so that pages belong together.
 */
export interface ModelListParams {
  _meta?: JsonObject | null;
  cursor?: string | null;
  limit?: number;
  provider?: string | null;
  keyId?: string | null;
  allProviders?: boolean;
  refresh?: boolean;
}

/** A page of models; `stale` when any live list here is older than is called fresh. */
export interface ModelListResult {
  items: readonly ModelInfo[];
  nextCursor: string | null;
  stale: boolean;
  failures: readonly ModelListFailure[];
}

/** Money per million tokens, as decimal text; null where unknown. */
export interface ModelPrice {
  currency: string;
  input: string | null;
  output: string | null;
  cacheRead: string | null;
  cacheWrite: string | null;
  asOf: string | null;
}

/** Ask one provider for its list now, or all that have a key. */
export interface ModelRefreshParams {
  _meta?: JsonObject | null;
  provider?: string | null;
  keyId?: string | null;
}

/** The lists that came, and why the others did not. */
export interface ModelRefreshResult {
  refreshed: readonly RefreshedList[];
  failures: readonly ModelListFailure[];
}

export type Part =
  | TextPart
  | ImagePart
  | FilePart
  | ReasoningPart
  | ToolCallPart
  | ToolResultPart
  | CitationPart;

export type PartInput =
  | TextPartInput
  | ImagePartInput
  | FilePartInput
  | ReasoningPartInput
  | ToolCallPartInput
  | ToolResultPartInput
  | CitationPartInput;

export type ProbePolicy =
  | "require"
  | "warn"
  | "skip";

/** What asking the provider about a key told. */
export interface ProbeResult {
  verdict: Open<Verdict>;
  httpStatus: number | null;
  message: string;
  modelsSeen: number | null;
  details: JsonObject;
  checkedAt: number;
  durationMs: number;
}

export type Protection =
  | "osKeyring"
  | "passphrase"
  | "keyFile"
  | "memory";

/** One provider, as a person reads it. `dialects` are all it speaks, the usual one first. */
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
  fields: readonly FieldInfo[];
  keyless: boolean;
  keyUrl: string | null;
  keyPrefixHint: string | null;
  docsUrl: string | null;
  toolCalling: string;
  pricing: string;
  tags: readonly string[];
  notes: readonly string[];
  chatAvailable: boolean;
}

/** List the providers. */
export interface ProviderListParams {
  _meta?: JsonObject | null;
  cursor?: string | null;
  limit?: number;
}

/** A page of providers. */
export interface ProviderListResult {
  items: readonly ProviderInfo[];
  nextCursor: string | null;
}

/**
 * Test a provider with a stored key (the default one, or `keyId`), or with a candidate.
 *
 * A candidate is `fields` and `baseUrl` as for `key/store`; `baseUrl` alone tests the way there.
 * Only with `chat` a model is asked, for one token: `model`, or the cheapest that is listed.
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
 * All six steps, in order; after one that failed the others are `skipped`.
 *
 * `ok` is whether none failed. `proxied` is whether the configured proxy is on the way: then `dns`
 * and `tcp` are about the proxy.
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
 * One step: what came of it, how long it took, and what to do where it failed.
 *
 * `message` is a sentence for a person. `kind` and `action` are those of an error, null where
 * nothing failed. `durationMs` is null where nothing was tried.
 */
export interface ProviderTestStep {
  name: Open<StepName>;
  status: Open<StepStatus>;
  durationMs: number | null;
  message: string;
  kind: Open<ErrorKind> | null;
  action: Action | null;
  details: JsonObject;
}

/** The provider's own chunk, when asked for. */
export interface RawEvent {
  type: "raw";
  chunk: Json;
}

/** How much to think, on one scale for every provider. */
export interface Reasoning {
  effort: Effort;
}

/** More reasoning for a block. */
export interface ReasoningDeltaEvent {
  type: "reasoningDelta";
  blockId: string;
  delta: string;
}

/** A block of reasoning is whole; its opaque state must be echoed back. */
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

/** What the model thought: its own words, a summary of them, or nothing readable. */
export interface ReasoningPart {
  type: "reasoning";
  providerState: JsonObject | null;
  text: string;
  kind: ReasoningKind;
}

/** What the model thought: its own words, a summary of them, or nothing readable. */
export interface ReasoningPartInput {
  type: "reasoning";
  providerState?: JsonObject | null;
  text: string;
  kind?: ReasoningKind;
}

/** A block of reasoning opens. */
export interface ReasoningStartEvent {
  type: "reasoningStart";
  blockId: string;
  kind: ReasoningKind;
}

/**
 * One list that was asked for: how many models it names, and when they were seen.
 *
 * `changed` tells whether they are other than before.
 */
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

/** The answer must be JSON, of this schema where one is given. */
export interface ResponseFormat {
  type?: "json";
  schema?: JsonObject | null;
  name?: string | null;
}

/** The request is tried again; only ever before the first content. */
export interface RetryEvent {
  type: "retry";
  attempt: number;
  kind: string;
  delayMs: number;
}

export type Role =
  | "system"
  | "user"
  | "assistant"
  | "tool";

/** Who really answered, and how many tries it took. `keyId` is null without a stored key. */
export interface Route {
  provider: string;
  model: string;
  keyId: string | null;
  attempts: number;
}

/**
 * A secret on its way out, which only the holder of the recipient's private key can read.
 *
 * `sealed` is base64 of the HPKE wire form `enc || ct`.
 */
export interface SealedSecret {
  sealed: string;
}

/** How to seal a secret to this process. `publicKey` is base64 of 32 bytes. */
export interface Sealing {
  suite: string;
  publicKey: string;
  keyId: string;
}

/**
 * A secret on its way in: sealed to the daemon's key, or plain from a client that cannot seal.
 *
 * `sealed` is base64 of the HPKE wire form `enc || ct`. Exactly one of the two is given.
 */
export interface SecretInput {
  sealed?: string | null;
  plain?: string | null;
}

/**
 * Ask a model.
 *
 * `streamId` is the client's and unique per connection, so that events can be routed before any
 * response. A parameter that cannot be sent is dropped with a warning, or refused when `strict`.
 * `providerOptions` are raw fields for that provider, merged last. `dialect` asks for one of the
 * wire formats that `provider/list` names; without it the provider's record chooses.
 */
export interface SendParams {
  _meta?: JsonObject | null;
  streamId: string;
  stream?: boolean;
  provider: string;
  model: string;
  keyId?: string | null;
  route?: "byok" | "shared" | "auto";
  messages: readonly MessageInput[];
  tools?: readonly Tool[];
  toolChoice?: "auto" | "none" | "required" | ToolChoice | null;
  maxOutputTokens?: number | null;
  temperature?: number | null;
  topP?: number | null;
  stop?: readonly string[];
  seed?: number | null;
  reasoning?: Reasoning | null;
  responseFormat?: ResponseFormat | null;
  cache?: "auto" | "off";
  providerOptions?: JsonObject | null;
  dialect?: string | null;
  strict?: boolean;
  includeRaw?: boolean;
}

/** The authoritative answer; a client that ignores events still has everything. */
export interface SendResult {
  message: Message;
  finishReason: FinishReason;
  usage: Usage | null;
  cost: Cost;
  route: Route;
  warnings: readonly Warn[];
  providerRequestId: string | null;
}

/** Bounds a client can plan with. */
export interface ServerLimits {
  maxMessageBytes: number;
  maxConcurrentStreams: number;
}

/** `capabilities.experimental.byokd`. */
export interface ServerOptions {
  protocolVersion: number;
  schemaHash: string;
  account: string;
  sealing: Sealing;
  features: Features;
  limits: ServerLimits;
  vault: VaultInfo;
}

/** `window/showMessageRequest`: the prompt when a key is disabled. `type` 2 is a warning. */
export interface ShowMessageRequest {
  _meta?: JsonObject | null;
  type: number;
  message: string;
  actions: readonly MessageAction[];
}

/**
 * One way to open the vault.
 *
 * `pending` is one that is being made, `retiring` one that is being removed. `reason` says why it
 * did not open the vault when it was last tried.
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

/** What a citation points to. */
export interface Source {
  url: string | null;
  title: string | null;
  document: string | null;
}

/** What a citation points to. */
export interface SourceInput {
  url?: string | null;
  title?: string | null;
  document?: string | null;
}

/** What was noticed of a source; `type` is a display value: `openToOthers`, `line`. */
export interface SourceWarning {
  type: string;
  line: number | null;
  message: string;
}

/** A range of the text, in characters from its start; `end` is the first one past it. */
export interface Span {
  start: number;
  end: number;
}

/** A range of the text, in characters from its start; `end` is the first one past it. */
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

/** More text for a block. */
export interface TextDeltaEvent {
  type: "textDelta";
  blockId: string;
  delta: string;
}

/** A block of text is whole. */
export interface TextEndEvent {
  type: "textEnd";
  blockId: string;
  providerState: JsonObject | null;
}

/** Text, as the model wrote it. */
export interface TextPart {
  type: "text";
  providerState: JsonObject | null;
  text: string;
}

/** Text, as the model wrote it. */
export interface TextPartInput {
  type: "text";
  providerState?: JsonObject | null;
  text: string;
}

/** A block of text opens. */
export interface TextStartEvent {
  type: "textStart";
  blockId: string;
}

/** A function the model may call; `inputSchema` is JSON Schema. */
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

/** A tool call is whole: parsed arguments, or the reason why they do not parse. */
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
 * A call the client must run.
 *
 * `arguments` is parsed JSON; where the model's JSON is broken it is null, `parseError` says why
 * and `rawArguments` holds what was sent.
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
 * A call the client must run.
 *
 * `arguments` is parsed JSON; where the model's JSON is broken it is null, `parseError` says why
 * and `rawArguments` holds what was sent.
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

/** A tool call opens: its id and name are known. */
export interface ToolCallStartEvent {
  type: "toolCallStart";
  callId: string;
  name: string;
}

/** Exactly this tool must be called. */
export interface ToolChoice {
  name: string;
}

/** What a tool answered: text, or text and images. */
export interface ToolResultPart {
  type: "toolResult";
  providerState: JsonObject | null;
  callId: string;
  content: string | readonly (TextPart | ImagePart)[];
  isError: boolean;
}

/** What a tool answered: text, or text and images. */
export interface ToolResultPartInput {
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

/** Tokens of one call, in disjoint buckets; `raw` is the provider's own object. */
export interface Usage {
  inputFresh: number;
  inputCacheRead: number;
  inputCacheWrite: number;
  outputText: number;
  outputReasoning: number;
  searches: number;
  raw: JsonObject | null;
}

/** Usage so far, cumulative: the last one wins, they are never summed. */
export interface UsageEvent {
  type: "usage";
  usage: Usage;
}

/** Variables that the client read, by name; each sealed for the field of its own name. */
export interface VariablesSource {
  type: "variables";
  variables: { readonly [name: string]: SecretInput };
}

/** `vault/changed`. */
export interface VaultChanged {
  _meta?: JsonObject | null;
  vault: VaultInfo;
}

/**
 * The vault as far as it is known; `checking` until the first look at the disk is over.
 *
 * `protection` is the weakest of the slots that are active, because a vault is as safe as the
 * easiest way in; `degraded` says that it is weaker than an OS keyring. `backend` names what
 * really holds the key. `protectsAgainst` and `doesNotProtectAgainst` are for people.
 * `reason` is typed, such as `noBackend`, `backendLocked`, `itemMissing`, `passphraseNeeded`,
 * `rollback`. `audit` is what the last check of the audit trail said.
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
  choices: readonly Open<Protection>[];
  slots: readonly SlotInfo[];
  audit: Open<AuditStanding> | null;
}

/**
 * Make the vault.
 *
 * A protection weaker than the OS keyring needs `acceptRisk` with its own name, so that nobody
 * gets it without having read what it means. With `recipientPublicKey` (base64 of an X25519 key)
 * a recovery code is made as well, and comes back sealed to it: once, and never again.
 *
 * `keyFile` says which file a `keyFile` is: one of our own, `byokd-kek` among the credentials
 * that systemd hands to a service, or `/run/secrets/byokd-kek` in a container. The last two are
 * read and never written.
 */
export interface VaultInitializeParams {
  _meta?: JsonObject | null;
  protection?: Protection;
  acceptRisk?: string | null;
  passphrase?: SecretInput | null;
  keyFile?: KeyFilePlace;
  recipientPublicKey?: string | null;
}

/** The vault as it is now, and its recovery code where one was asked for. */
export interface VaultInitializeResult {
  vault: VaultInfo;
  recoveryCode: SealedSecret | null;
}

/** Forget the vault's keys in this process until somebody unlocks it. */
export interface VaultLockParams {
  _meta?: JsonObject | null;
}

/**
 * Change what opens the vault, or what its keys are sealed under.
 *
 * `addSlot` makes one of `kind`; `replaceProtection` makes one and ends every other protection
 * with it; `removeSlot` ends `slotId`; `rootKey` and `dataKeys` renew those keys,
 * `everything` both.
 *
 * `passphrase` and `recoveryCode` are what opens the vault now, where a new root key has to be
 * put under them; `newPassphrase` is for a slot of that kind. A recovery code that is made comes
 * back sealed to `recipientPublicKey`: for a slot of that kind, which ends the code before it,
 * or with a new root key in place of a code that is not given.
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

/** The vault as it is now, and a recovery code where one was made. */
export interface VaultRekeyResult {
  vault: VaultInfo;
  recoveryCode: SealedSecret | null;
}

/**
 * Put a backup in the place of the vault, whatever state the vault is in.
 *
 * `number` is that of a backup in `vault/status`; `path` names a file elsewhere instead. Without
 * both it is the newest backup.
 */
export interface VaultRestoreParams {
  _meta?: JsonObject | null;
  number?: number | null;
  path?: string | null;
}

/**
 * `restored` is the file that was put back, `aside` the one that was there before, as it was.
 *
 * Where the store is then older than it was, the vault is locked with the reason `rollback`, until
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

/** Ask for the vault's state. */
export interface VaultStatusParams {
  _meta?: JsonObject | null;
}

/**
 * Open the vault: with its passphrase, with its recovery code, or as it opens by itself.
 *
 * With neither, the OS keyring may show its prompt. `acceptRollback` uses a store that is older
 * than it was last seen (reason `rollback`): keys that were deleted or rotated since are as they
 * were then.
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

/**
 * Something that was not done as asked.
 *
 * `type` is a display value: `dropped`, `renamed`, `adjusted`, `unsupported`, `notice`.
 */
export interface Warn {
  type: string;
  parameter: string | null;
  message: string;
}

/** What a client may ask. */
export interface Requests {
  "provider/list": { params: ProviderListParams; result: ProviderListResult };
  "provider/test": { params: ProviderTestParams; result: ProviderTestResult };
  "key/store": { params: KeyStoreParams; result: KeyStoreResult };
  "key/rotate": { params: KeyRotateParams; result: KeyStoreResult };
  "key/list": { params: KeyListParams; result: KeyListResult };
  "key/probe": { params: KeyProbeParams; result: KeyProbeResult };
  "key/disable": { params: KeyIdParams; result: KeyResult };
  "key/enable": { params: KeyEnableParams; result: KeyEnableResult };
  "key/delete": { params: KeyIdParams; result: KeyDeleteResult };
  "key/setDefault": { params: KeyIdParams; result: KeyResult };
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
  "audit/list": { params: AuditListParams; result: AuditListResult };
  "audit/verify": { params: AuditVerifyParams; result: AuditVerifyResult };
  "audit/export": { params: AuditExportParams; result: AuditExportResult };
  "account/list": { params: AccountListParams; result: AccountListResult };
  "account/delete": { params: AccountDeleteParams; result: AccountDeleteResult };
}

/** What the daemon tells. */
export interface Notifications {
  "chat/events": ChatEvents;
  "key/changed": KeyChanged;
  "vault/changed": VaultChanged;
  "model/changed": ModelChanged;
  "window/logMessage": LogMessage;
}

/** What the daemon may ask. */
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
