"""The method table, read by the server, the schema, the documentation and the tests.

A module of types is imported when a method of it is first used, which keeps sixty models off the
path to `initialize`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeAlias, TypeVar

from byokd.protocol.base import Value

if TYPE_CHECKING:
    from byokd.protocol import (
        account,
        audit,
        backup,
        catalog,
        chat,
        diagnosis,
        events,
        key,
        lifecycle,
        model,
        provider,
        transfer,
        vault,
    )
else:

    class _TypesModule:
        def __init__(self, name: str) -> None:
            self._name = f"{__package__}.{name}"

        def __getattr__(self, name: str) -> Any:
            return getattr(import_module(self._name), name)

    account = _TypesModule("account")
    audit = _TypesModule("audit")
    backup = _TypesModule("backup")
    catalog = _TypesModule("catalog")
    chat = _TypesModule("chat")
    diagnosis = _TypesModule("diagnosis")
    events = _TypesModule("events")
    key = _TypesModule("key")
    lifecycle = _TypesModule("lifecycle")
    model = _TypesModule("model")
    provider = _TypesModule("provider")
    transfer = _TypesModule("transfer")
    vault = _TypesModule("vault")

Direction: TypeAlias = Literal["request", "notification", "serverRequest", "serverNotification"]
P = TypeVar("P", bound=Value)
R = TypeVar("R", bound=Value)


@dataclass(frozen=True, slots=True)
class Method(Generic[P, R]):
    """One method of the contract; `result_type` returns None for a notification."""

    name: str
    direction: Direction
    summary: str
    params_type: Callable[[], type[P]]
    result_type: Callable[[], type[R] | None]

    @property
    def params_name(self) -> str:
        return self.params_type().__name__

    @property
    def result_name(self) -> str | None:
        result = self.result_type()
        return result.__name__ if result else None


def _request(
    name: str, params: Callable[[], type[P]], result: Callable[[], type[R]], summary: str
) -> Method[P, R]:
    return Method(name, "request", summary, params, result)


def _server_request(
    name: str, params: Callable[[], type[P]], result: Callable[[], type[R]], summary: str
) -> Method[P, R]:
    return Method(name, "serverRequest", summary, params, result)


def _server_notification(
    name: str, params: Callable[[], type[P]], summary: str
) -> Method[P, Value]:
    return Method(name, "serverNotification", summary, params, lambda: None)


PROVIDER_LIST: Final = _request(
    "provider/list",
    lambda: provider.ProviderListParams,
    lambda: provider.ProviderListResult,
    "list the providers and the fields that each needs",
)
PROVIDER_READ_ADDRESS: Final = _request(
    "provider/readAddress",
    lambda: provider.ProviderReadAddressParams,
    lambda: provider.ProviderReadAddressResult,
    "show what a pasted address means, and where requests would go",
)
PROVIDER_TEST: Final = _request(
    "provider/test",
    lambda: diagnosis.ProviderTestParams,
    lambda: diagnosis.ProviderTestResult,
    "check the connection to a provider step by step",
)
KEY_STORE: Final = _request(
    "key/store",
    lambda: key.KeyStoreParams,
    lambda: key.KeyStoreResult,
    "probe a new key and store it unless it is known bad",
)
KEY_ROTATE: Final = _request(
    "key/rotate",
    lambda: key.KeyRotateParams,
    lambda: key.KeyStoreResult,
    "replace the secret of a key",
)
KEY_LIST: Final = _request(
    "key/list",
    lambda: key.KeyListParams,
    lambda: key.KeyListResult,
    "list the stored keys, without their secrets",
)
KEY_PROBE: Final = _request(
    "key/probe",
    lambda: key.KeyProbeParams,
    lambda: key.KeyProbeResult,
    "check a stored key or a new one with its provider",
)
KEY_DISABLE: Final = _request(
    "key/disable",
    lambda: key.KeyIdParams,
    lambda: key.KeyResult,
    "stop using a key until it is enabled",
)
KEY_ENABLE: Final = _request(
    "key/enable",
    lambda: key.KeyEnableParams,
    lambda: key.KeyEnableResult,
    "use a disabled key again",
)
KEY_DELETE: Final = _request(
    "key/delete",
    lambda: key.KeyIdParams,
    lambda: key.KeyDeleteResult,
    "delete a key",
)
KEY_SET_DEFAULT: Final = _request(
    "key/setDefault",
    lambda: key.KeyIdParams,
    lambda: key.KeyResult,
    "use this key where a request names none",
)
KEY_SET_LABEL: Final = _request(
    "key/setLabel",
    lambda: key.KeySetLabelParams,
    lambda: key.KeyResult,
    "name a key",
)
KEY_ACCEPT_ORIGIN: Final = _request(
    "key/acceptOrigin",
    lambda: key.KeyAcceptOriginParams,
    lambda: key.KeyResult,
    "use a key at the address that its provider has now, if the person agrees",
)
KEY_IMPORT: Final = _request(
    "key/import",
    lambda: transfer.KeyImportParams,
    lambda: transfer.KeyImportResult,
    "list the keys that a source holds, or store the chosen ones",
)
KEY_EXPORT: Final = _request(
    "key/export",
    lambda: transfer.KeyExportParams,
    lambda: transfer.KeyExportResult,
    "encrypt keys for another machine; only from the command line",
)
VAULT_STATUS: Final = _request(
    "vault/status",
    lambda: vault.VaultStatusParams,
    lambda: vault.VaultResult,
    "whether keys can be used, and if not, why",
)
VAULT_INITIALIZE: Final = _request(
    "vault/initialize",
    lambda: vault.VaultInitializeParams,
    lambda: vault.VaultInitializeResult,
    "create the vault with a chosen protection",
)
VAULT_UNLOCK: Final = _request(
    "vault/unlock",
    lambda: vault.VaultUnlockParams,
    lambda: vault.VaultResult,
    "open the vault with a passphrase, a recovery code or the keyring's prompt",
)
VAULT_LOCK: Final = _request(
    "vault/lock",
    lambda: vault.VaultLockParams,
    lambda: vault.VaultResult,
    "drop the vault's keys from this process until it is unlocked",
)
VAULT_RESTORE: Final = _request(
    "vault/restore",
    lambda: backup.VaultRestoreParams,
    lambda: backup.VaultRestoreResult,
    "replace the vault with a backup",
)
VAULT_REKEY: Final = _request(
    "vault/rekey",
    lambda: vault.VaultRekeyParams,
    lambda: vault.VaultRekeyResult,
    "change what opens the vault, or what its keys are sealed under",
)
MODEL_LIST: Final = _request(
    "model/list",
    lambda: model.ModelListParams,
    lambda: model.ModelListResult,
    "list models from the provider and the bundled catalog, each with its source",
)
MODEL_REFRESH: Final = _request(
    "model/refresh",
    lambda: model.ModelRefreshParams,
    lambda: model.ModelRefreshResult,
    "fetch the providers' model lists now",
)
CHAT_SEND: Final = _request(
    "chat/send",
    lambda: chat.SendParams,
    lambda: chat.SendResult,
    "send a conversation to a model",
)
CHAT_COUNT_TOKENS: Final = _request(
    "chat/countTokens",
    lambda: chat.CountTokensParams,
    lambda: chat.CountTokensResult,
    "count the input tokens of a conversation, by an estimate or by the provider",
)
CATALOG_SHOW: Final = _request(
    "catalog/show",
    lambda: catalog.CatalogShowParams,
    lambda: catalog.CatalogShowResult,
    "which provider and model data is in use, and how old it is",
)
CATALOG_REFRESH: Final = _request(
    "catalog/refresh",
    lambda: catalog.CatalogRefreshParams,
    lambda: catalog.CatalogRefreshResult,
    "use newer provider and model data, or show what it would change",
)
CATALOG_UNDO: Final = _request(
    "catalog/undo",
    lambda: catalog.CatalogUndoParams,
    lambda: catalog.CatalogUndoResult,
    "use the data before the last refresh again",
)
AUDIT_LIST: Final = _request(
    "audit/list",
    lambda: audit.AuditListParams,
    lambda: audit.AuditListResult,
    "list audit entries",
)
AUDIT_VERIFY: Final = _request(
    "audit/verify",
    lambda: audit.AuditVerifyParams,
    lambda: audit.AuditVerifyResult,
    "check that the audit log is complete and unchanged",
)
AUDIT_EXPORT: Final = _request(
    "audit/export",
    lambda: audit.AuditExportParams,
    lambda: audit.AuditExportResult,
    "export the audit log, to store and verify it elsewhere",
)
ACCOUNT_LIST: Final = _request(
    "account/list",
    lambda: account.AccountListParams,
    lambda: account.AccountListResult,
    "list the accounts that hold keys",
)
ACCOUNT_DELETE: Final = _request(
    "account/delete",
    lambda: account.AccountDeleteParams,
    lambda: account.AccountDeleteResult,
    "delete an account and all its keys",
)
CHAT_EVENTS: Final = _server_notification(
    "chat/events",
    lambda: events.ChatEvents,
    "events of a running chat",
)
KEY_CHANGED: Final = _server_notification(
    "key/changed",
    lambda: key.KeyChanged,
    "a key changed",
)
VAULT_CHANGED: Final = _server_notification(
    "vault/changed",
    lambda: vault.VaultChanged,
    "the vault changed",
)
MODEL_CHANGED: Final = _server_notification(
    "model/changed",
    lambda: model.ModelChanged,
    "a provider's model list changed",
)
CATALOG_CHANGED: Final = _server_notification(
    "catalog/changed",
    lambda: catalog.CatalogChanged,
    "other provider and model data is in use",
)
WINDOW_LOG_MESSAGE: Final = _server_notification(
    "window/logMessage",
    lambda: lifecycle.LogMessage,
    "a line for the log",
)
WINDOW_SHOW_MESSAGE_REQUEST: Final = _server_request(
    "window/showMessageRequest",
    lambda: lifecycle.ShowMessageRequest,
    lambda: lifecycle.MessageAction,
    "ask the user about a key or an old catalog",
)

METHODS: Final[tuple[Method[Any, Any], ...]] = tuple(
    value for value in tuple(globals().values()) if isinstance(value, Method)
)
"""Every method above, in this order, which is the order of the schema and of protocol.md."""

BY_NAME: Final = {method.name: method for method in METHODS}
