"""What the end-to-end tests send for each method.

A method without a row is sent its example of protocol.md, with the id of a stored key; it needs a
row if that is not enough. `CALLS` is for `test_canary.py`, the other tables are for
`test_unrecorded.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from contract_methods import REQUESTS
from sandbox_env import GENERIC, chat_params

if TYPE_CHECKING:
    from daemon import Json
    from e2e.test_canary import TracingClient
    from e2e.test_unrecorded import Scenario

Calls: TypeAlias = "Callable[[TracingClient], Iterable[Json]]"
Change: TypeAlias = "Callable[[Scenario], Any]"

PHRASE: Final = "correct horse battery"

# Called in this order, after the methods without a row; the last rows delete. Errors are scenarios
# as well as results.
CALLS: Final[dict[str, Calls]] = {
    "vault/initialize": lambda c: [
        {"protection": "passphrase", "acceptRisk": "passphrase"}
        | c.passphrase_for("vault/initialize")
    ],
    "key/store": lambda c: [
        c.key_for("key/store") | {"label": "canary", "probe": "skip"},
        c.key_for("key/store") | {"probe": "require"},
        c.key_for("key/store") | {"probe": "skip", "account": "x"},
        c.key_for("key/probe"),
        c.key_for("key/store") | {"baseUrl": "http://evil.example"},
        c.key_for("key/store") | {"label": 1},
    ],
    "key/rotate": lambda c: [c.rotated, c.rotated | {"keyId": "key_" + "b" * 26}],
    "key/probe": lambda c: [c.key_params, c.key_for("key/probe"), c.key_for("key/store")],
    "key/disable": lambda c: [c.key_params],
    "key/enable": lambda c: [c.key_params | {"probe": True}, c.key_params],
    "key/list": lambda _: [{}],
    "key/setLabel": lambda c: [c.key_params | {"label": "named"}, c.key_params | {"label": "\n"}],
    "key/acceptOrigin": lambda c: [
        c.key_params | {"from": "https://a.example:443", "to": "https://b.example:443"},
    ],
    "key/import": lambda c: [
        c.variables(
            "MISTRAL_API_KEY", "OPENAI_BASE_URL", "AWS_REGION", "AWS_ACCESS_KEY_ID", "UNKNOWN",
        ),
        c.variables("MISTRAL_API_KEY") | {"choose": [{"id": "item_" + "0" * 32}]},
        {"source": {"type": "environment"}},
        {"source": {"type": "bundle", "path": "/nowhere"} | c.passphrase_for("key/import")},
    ],
    "key/export": lambda c: [c.passphrase_for("key/export"), c.passphrase_for("key/import")],
    "provider/list": lambda _: [{}],
    "provider/test": lambda c: [
        c.key_params | {"provider": GENERIC, "chat": True}, c.key_for("provider/test"),
    ],
    "model/list": lambda _: [{"provider": GENERIC, "refresh": True}, {}],
    "model/refresh": lambda _: [{"provider": GENERIC}],
    "chat/send": lambda c: [
        chat_params("any", **c.key_params, stream=stream, includeRaw=True)
        for stream in (True, False)
    ],
    "catalog/refresh": lambda _: [{}, {"from": "/nowhere", "dryRun": True}],
    "catalog/undo": lambda _: [{}],
    "audit/list": lambda _: [{}],
    "audit/verify": lambda _: [{}, {"entries": [], "storeId": "00"}],
    "vault/restore": lambda _: [{"number": 99}],
    "vault/rekey": lambda c: [
        {"change": "dataKeys"},
        {"change": "everything"} | c.passphrase_for("vault/rekey"),
        {"change": "rootKey"} | c.passphrase_for("vault/unlock"),
        {"change": "addSlot", "kind": "passphrase"} | c.passphrase_for("vault/rekey"),
    ],
    "vault/lock": lambda _: [{}],
    "vault/unlock": lambda c: [
        {}, c.passphrase_for("vault/lock"), c.passphrase_for("vault/unlock"),
    ],
    "key/delete": lambda c: [c.key_params, c.key_params],
    "account/delete": lambda _: [{"account": "default", "confirm": "default"}],
}  # fmt: skip

READING: Final = {
    "provider/list", "provider/readAddress", "provider/test", "key/list", "vault/status",
    "audit/list", "audit/verify", "audit/export", "account/list", "catalog/show",
    "model/list", "model/refresh",  # they store only a provider's answer
    "chat/countTokens",  # an estimate opens nothing
    "chat/send",  # uses are counted and written later
    "vault/lock",  # drops the keys from memory, whatever the disk does
}  # fmt: skip
"""Methods that change nothing that has an audit entry. Any other method is refused without one."""

MUTATING: Final[dict[str, Change]] = {
    "key/store": lambda s: s.key(),
    "key/rotate": lambda s: s.fields() | {"keyId": s.active},
    "key/probe": lambda s: {"keyId": s.active},
    "key/enable": lambda s: {"keyId": s.disabled},
    "key/setDefault": lambda s: {"keyId": s.second},
    "key/setLabel": lambda s: {"keyId": s.active, "label": "renamed"},
    "key/import": lambda s: s.imported(),
    "key/export": lambda s: {"passphrase": s.sealed("key/export", "passphrase", PHRASE)},
    "account/delete": lambda _: {"account": "default", "confirm": "default"},
    "vault/rekey addSlot": lambda s: s.rekey(
        "addSlot", kind="passphrase",
        newPassphrase=s.sealed("vault/rekey", "newPassphrase", PHRASE),
    ),
    "vault/rekey removeSlot": lambda s: s.rekey("removeSlot", slotId=s.code_slot),
    "vault/rekey replaceProtection": lambda s: s.rekey(
        "replaceProtection", kind="passphrase",
        newPassphrase=s.sealed("vault/rekey", "newPassphrase", PHRASE),
    ),
    "vault/rekey rootKey": lambda s: s.rekey("rootKey"),
    "vault/rekey dataKeys": lambda s: s.rekey("dataKeys"),
    "vault/rekey everything": lambda s: s.rekey("everything"),
}  # fmt: skip
"""Params of methods that change something; `vault/rekey` once per kind of change."""

OWN_TESTS: Final = {
    "vault/initialize", "vault/unlock", "vault/restore", "catalog/refresh", "catalog/undo",
    "key/acceptOrigin",
}  # fmt: skip
"""Methods that need a store of their own; each has a test in `test_unrecorded.py`."""

_LISTED: Final = READING | OWN_TESTS | {name.partition(" ")[0] for name in MUTATING}
CALLED_BY_EXAMPLE: Final = [method.name for method in REQUESTS if method.name not in CALLS]
MUTATING_BY_EXAMPLE: Final = [method.name for method in REQUESTS if method.name not in _LISTED]
