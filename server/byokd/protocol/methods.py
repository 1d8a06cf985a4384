"""The method table: the one list that the door, the documents, the schema and the tests read.

Knows names and where their types live. Must not import them: a type is built when its method is
first used, which keeps sixty models off the path to `initialize`. A method that does not work yet
is not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Literal, TypeAlias, cast

from byokd.protocol.base import Params, Result

Direction: TypeAlias = Literal["request", "notification", "serverRequest", "serverNotification"]


@dataclass(frozen=True, slots=True)
class Method:
    """One row. `params` and `result` are class names in `byokd.protocol.<module>`."""

    name: str
    module: str
    params: str
    result: str | None
    summary: str
    direction: Direction = "request"

    def params_type(self) -> type[Params]:
        """Import and return the params class."""
        return cast("type[Params]", self._find(self.params))

    def result_type(self) -> type[Result] | None:
        """Import and return the result class, or None for a notification."""
        return cast("type[Result]", self._find(self.result)) if self.result else None

    def _find(self, name: str) -> object:
        return getattr(import_module(f"byokd.protocol.{self.module}"), name)


METHODS: tuple[Method, ...] = (
    Method("provider/list", "provider", "ProviderListParams", "ProviderListResult",
           "the providers, what each needs, and whether it can be called yet"),
    Method("provider/test", "diagnosis", "ProviderTestParams", "ProviderTestResult",
           "try the way to a provider step by step, and say where it ends"),
    Method("key/store", "key", "KeyStoreParams", "KeyStoreResult",
           "probe a new key and store it unless it is known bad"),
    Method("key/rotate", "key", "KeyRotateParams", "KeyStoreResult",
           "replace the secret of a key"),
    Method("key/list", "key", "KeyListParams", "KeyListResult", "the stored keys, never a secret"),
    Method("key/probe", "key", "KeyProbeParams", "KeyProbeResult",
           "ask the provider about a stored key or a candidate"),
    Method("key/disable", "key", "KeyIdParams", "KeyResult", "stop using a key until enabled"),
    Method("key/enable", "key", "KeyEnableParams", "KeyEnableResult", "use a disabled key again"),
    Method("key/delete", "key", "KeyIdParams", "KeyDeleteResult", "forget a key"),
    Method("key/setDefault", "key", "KeyIdParams", "KeyResult",
           "use this key when a call names none"),
    Method("key/import", "transfer", "KeyImportParams", "KeyImportResult",
           "show the keys that a source holds, and store the chosen ones"),
    Method("key/export", "transfer", "KeyExportParams", "KeyExportResult",
           "seal keys for another machine, where a person asked for it on a terminal"),
    Method("vault/status", "vault", "VaultStatusParams", "VaultResult",
           "whether keys can be reached, and why not"),
    Method("vault/initialize", "vault", "VaultInitializeParams", "VaultInitializeResult",
           "make the vault with a chosen protection"),
    Method("vault/unlock", "vault", "VaultUnlockParams", "VaultResult",
           "open the vault with a passphrase, a recovery code or the keyring's prompt"),
    Method("vault/lock", "vault", "VaultLockParams", "VaultResult",
           "forget the vault's keys in this process until it is unlocked"),
    Method("vault/restore", "backup", "VaultRestoreParams", "VaultRestoreResult",
           "put a backup in the place of the vault"),
    Method("vault/rekey", "vault", "VaultRekeyParams", "VaultRekeyResult",
           "change what opens the vault, or what its keys are sealed under"),
    Method("model/list", "model", "ModelListParams", "ModelListResult",
           "models from the provider and from the bundled catalog, each with its source"),
    Method("model/refresh", "model", "ModelRefreshParams", "ModelRefreshResult",
           "ask the providers for their lists now"),
    Method("chat/send", "chat", "SendParams", "SendResult", "ask a model"),
    Method("audit/list", "audit", "AuditListParams", "AuditListResult",
           "what happened to the keys"),
    Method("audit/verify", "audit", "AuditVerifyParams", "AuditVerifyResult",
           "check that the record is whole"),
    Method("audit/export", "audit", "AuditExportParams", "AuditExportResult",
           "the whole record, to be kept and checked elsewhere"),
    Method("account/list", "account", "AccountListParams", "AccountListResult",
           "the accounts that hold keys"),
    Method("account/delete", "account", "AccountDeleteParams", "AccountDeleteResult",
           "forget an account and all its keys"),
    Method("chat/events", "events", "ChatEvents", None, "a piece of an answer",
           "serverNotification"),
    Method("key/changed", "key", "KeyChanged", None, "a key changed", "serverNotification"),
    Method("vault/changed", "vault", "VaultChanged", None, "the vault changed",
           "serverNotification"),
    Method("model/changed", "model", "ModelChanged", None, "a provider's list of models changed",
           "serverNotification"),
    Method("window/logMessage", "lifecycle", "LogMessage", None, "a line for the log",
           "serverNotification"),
    Method("window/showMessageRequest", "lifecycle", "ShowMessageRequest", "MessageAction",
           "ask the person about a disabled key", "serverRequest"),
)  # fmt: skip

BY_NAME: dict[str, Method] = {method.name: method for method in METHODS}
REQUESTS: tuple[Method, ...] = tuple(m for m in METHODS if m.direction == "request")
