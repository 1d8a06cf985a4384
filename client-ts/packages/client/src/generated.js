// Generated from the daemon's types. Do not edit: tests/protocol/test_schema.py writes it.
export const PROTOCOL_VERSION = 1;
export const SCHEMA_HASH = "sha256:6bbc9470f7a570e64d9e00a9109e71547908d0119a6003e9d59c8dbeea3cdbb2";
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
];
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
];
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
];
/** One typed function per method, by resource. */
export function resources(call) {
    return {
        provider: {
            /** list the providers and the fields that each needs */
            list: (params = {}, options) => call("provider/list", params, options),
            /** check the connection to a provider step by step */
            test: (params, options) => call("provider/test", params, options),
        },
        key: {
            /** probe a new key and store it unless it is known bad */
            store: (params, options) => call("key/store", params, options),
            /** replace the secret of a key */
            rotate: (params, options) => call("key/rotate", params, options),
            /** list the stored keys, without their secrets */
            list: (params = {}, options) => call("key/list", params, options),
            /** check a stored key or a new one with its provider */
            probe: (params = {}, options) => call("key/probe", params, options),
            /** stop using a key until it is enabled */
            disable: (params, options) => call("key/disable", params, options),
            /** use a disabled key again */
            enable: (params, options) => call("key/enable", params, options),
            /** delete a key */
            delete: (params, options) => call("key/delete", params, options),
            /** use this key where a request names none */
            setDefault: (params, options) => call("key/setDefault", params, options),
            /** list the keys that a source holds, or store the chosen ones */
            import: (params, options) => call("key/import", params, options),
            /** encrypt keys for another machine; only from the command line */
            export: (params, options) => call("key/export", params, options),
        },
        vault: {
            /** whether keys can be used, and if not, why */
            status: (params = {}, options) => call("vault/status", params, options),
            /** create the vault with a chosen protection */
            initialize: (params = {}, options) => call("vault/initialize", params, options),
            /** open the vault with a passphrase, a recovery code or the keyring's prompt */
            unlock: (params = {}, options) => call("vault/unlock", params, options),
            /** drop the vault's keys from this process until it is unlocked */
            lock: (params = {}, options) => call("vault/lock", params, options),
            /** replace the vault with a backup */
            restore: (params = {}, options) => call("vault/restore", params, options),
            /** change what opens the vault, or what its keys are sealed under */
            rekey: (params, options) => call("vault/rekey", params, options),
        },
        model: {
            /** list models from the provider and the bundled catalog, each with its source */
            list: (params = {}, options) => call("model/list", params, options),
            /** fetch the providers' model lists now */
            refresh: (params = {}, options) => call("model/refresh", params, options),
        },
        chat: {
            /** send a conversation to a model */
            send: (params, options) => call("chat/send", params, options),
            /** count the input tokens of a conversation, by an estimate or by the provider */
            countTokens: (params, options) => call("chat/countTokens", params, options),
        },
        catalog: {
            /** which provider and model data is in use, and how old it is */
            show: (params = {}, options) => call("catalog/show", params, options),
            /** use newer provider and model data, or show what it would change */
            refresh: (params = {}, options) => call("catalog/refresh", params, options),
            /** use the data before the last refresh again */
            undo: (params = {}, options) => call("catalog/undo", params, options),
        },
        audit: {
            /** list audit entries */
            list: (params = {}, options) => call("audit/list", params, options),
            /** check that the audit log is complete and unchanged */
            verify: (params = {}, options) => call("audit/verify", params, options),
            /** export the audit log, to store and verify it elsewhere */
            export: (params = {}, options) => call("audit/export", params, options),
        },
        account: {
            /** list the accounts that hold keys */
            list: (params = {}, options) => call("account/list", params, options),
            /** delete an account and all its keys */
            delete: (params, options) => call("account/delete", params, options),
        },
    };
}
