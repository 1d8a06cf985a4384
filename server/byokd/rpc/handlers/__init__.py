"""One thin function per method, grouped by resource: whom to ask, and nothing else."""

from __future__ import annotations

from typing import Final

from byokd.rpc.handlers import account, audit, chat, key, model, provider, vault
from byokd.rpc.handlers.call import Handler

HANDLERS: Final[dict[str, Handler]] = {
    "provider/list": provider.list_,
    "provider/test": provider.test,
    "key/store": key.store,
    "key/rotate": key.rotate,
    "key/list": key.list_,
    "key/probe": key.probe,
    "key/disable": key.disable,
    "key/enable": key.enable,
    "key/delete": key.delete,
    "key/setDefault": key.set_default,
    "key/import": key.import_,
    "key/export": key.export,
    "vault/status": vault.status,
    "vault/initialize": vault.initialize,
    "vault/unlock": vault.unlock,
    "vault/lock": vault.lock,
    "vault/restore": vault.restore,
    "vault/rekey": vault.rekey,
    "model/list": model.list_,
    "model/refresh": model.refresh,
    "chat/send": chat.send,
    "audit/list": audit.list_,
    "audit/verify": audit.verify,
    "audit/export": audit.export,
    "account/list": account.list_,
    "account/delete": account.delete,
}

KEEPS_RESULT: Final = frozenset({"chat/send"})
"""Methods whose cancelled request still ends in a result: a partial answer is worth having."""
