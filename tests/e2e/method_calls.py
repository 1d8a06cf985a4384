"""What the end-to-end tests send for each method: a new method needs a row here, and no other file.

`CALLS` is for `test_canary.py`, the other tables are for `test_unrecorded.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sandbox_env import GENERIC, chat_params

if TYPE_CHECKING:
    from daemon import Json
    from e2e.test_canary import World
    from e2e.test_unrecorded import Scenario

Calls: TypeAlias = "Callable[[World], Iterable[Json]]"
Change: TypeAlias = "Callable[[Scenario], Any]"

PHRASE: Final = "correct horse battery"

# Called in this order; the last rows delete. Errors are scenarios as well as results.
CALLS: Final[dict[str, Calls]] = {
    "vault/initialize": lambda w: [
        {"protection": "passphrase", "acceptRisk": "passphrase"}
        | w.passphrase_for("vault/initialize")
    ],
    "key/store": lambda w: [
        w.key_for("key/store") | {"label": "canary", "probe": "skip"},
        w.key_for("key/store") | {"probe": "require"},
        w.key_for("key/store") | {"probe": "skip", "account": "x"},
        w.key_for("key/probe"),
        w.key_for("key/store") | {"baseUrl": "http://evil.example"},
        w.key_for("key/store") | {"label": 1},
    ],
    "key/rotate": lambda w: [w.rotated, w.rotated | {"keyId": "key_" + "b" * 26}],
    "key/probe": lambda w: [w.one, w.key_for("key/probe"), w.key_for("key/store")],
    "key/disable": lambda w: [w.one],
    "key/enable": lambda w: [w.one | {"probe": True}, w.one],
    "key/setDefault": lambda w: [w.one],
    "key/list": lambda _: [{}],
    "key/import": lambda w: [
        w.variables(
            "MISTRAL_API_KEY", "OPENAI_BASE_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "UNKNOWN",
        ),
        w.variables("MISTRAL_API_KEY") | {"choose": [{"id": "item_" + "0" * 32}]},
        {"source": {"type": "environment"}},
        {"source": {"type": "bundle", "path": "/nowhere"} | w.passphrase_for("key/import")},
    ],
    "key/export": lambda w: [w.passphrase_for("key/export"), w.passphrase_for("key/import")],
    "provider/list": lambda _: [{}],
    "provider/test": lambda w: [
        w.one | {"provider": GENERIC, "chat": True}, w.key_for("provider/test"),
    ],
    "vault/status": lambda _: [{}],
    "model/list": lambda _: [{"provider": GENERIC, "refresh": True}, {}],
    "model/refresh": lambda _: [{"provider": GENERIC}],
    "chat/send": lambda w: [
        chat_params("any", **w.one, stream=stream, includeRaw=True) for stream in (True, False)
    ],
    "audit/list": lambda _: [{}],
    "audit/verify": lambda _: [{}, {"entries": [], "storeId": "00"}],
    "audit/export": lambda _: [{}],
    "account/list": lambda _: [{}],
    "vault/restore": lambda _: [{"number": 99}],
    "vault/rekey": lambda w: [
        {"change": "dataKeys"},
        {"change": "everything"} | w.passphrase_for("vault/rekey"),
        {"change": "rootKey"} | w.passphrase_for("vault/unlock"),
        {"change": "addSlot", "kind": "passphrase"} | w.passphrase_for("vault/rekey"),
    ],
    "vault/lock": lambda _: [{}],
    "vault/unlock": lambda w: [
        {}, w.passphrase_for("vault/lock"), w.passphrase_for("vault/unlock"),
    ],
    "key/delete": lambda w: [w.one, w.one],
    "account/delete": lambda _: [{"account": "default", "confirm": "default"}],
}  # fmt: skip

READING: Final = {
    "provider/list", "provider/test", "key/list", "vault/status", "audit/list", "audit/verify",
    "audit/export", "account/list",
    "model/list", "model/refresh",  # they store only a provider's answer
    "chat/send",  # uses are counted and written later
    "vault/lock",  # drops the keys from memory, whatever the disk does
}  # fmt: skip
"""Methods that change nothing that has an audit entry."""

MUTATING: Final[dict[str, Change]] = {
    "key/store": lambda w: w.key(),
    "key/rotate": lambda w: w.fields() | {"keyId": w.active},
    "key/probe": lambda w: {"keyId": w.active},
    "key/enable": lambda w: {"keyId": w.disabled},
    "key/disable": lambda w: {"keyId": w.active},
    "key/delete": lambda w: {"keyId": w.active},
    "key/setDefault": lambda w: {"keyId": w.other},
    "key/import": lambda w: w.imported(),
    "key/export": lambda w: {"passphrase": w.sealed("key/export", "passphrase", PHRASE)},
    "account/delete": lambda _: {"account": "default", "confirm": "default"},
    "vault/rekey addSlot": lambda w: w.rekey(
        "addSlot", kind="passphrase",
        newPassphrase=w.sealed("vault/rekey", "newPassphrase", PHRASE),
    ),
    "vault/rekey removeSlot": lambda w: w.rekey("removeSlot", slotId=w.code_slot),
    "vault/rekey replaceProtection": lambda w: w.rekey(
        "replaceProtection", kind="passphrase",
        newPassphrase=w.sealed("vault/rekey", "newPassphrase", PHRASE),
    ),
    "vault/rekey rootKey": lambda w: w.rekey("rootKey"),
    "vault/rekey dataKeys": lambda w: w.rekey("dataKeys"),
    "vault/rekey everything": lambda w: w.rekey("everything"),
}  # fmt: skip
"""Params of each method that changes something; `vault/rekey` once per kind of change."""

OWN_TESTS: Final = {"vault/initialize", "vault/unlock", "vault/restore"}
"""Methods that need a store of their own; each has a test in `test_unrecorded.py`."""
