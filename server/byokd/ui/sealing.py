"""Seals what the page sends, and opens what only a person may see.

The page marks each secret as `{"plain": text}`. A secret is sealed here for the field under whose
name it stands, so that nothing between here and the daemon shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from byokd.crypto.seal import SealingKey, info, seal
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.lifecycle import ServerOptions

_PLAIN: Final = "plain"
_MAKE_CODE: Final = "makeRecoveryCode"
_CODE: Final = "recoveryCode"


class Sealer:
    """Seals the params of requests to one daemon."""

    def __init__(self, options: ServerOptions) -> None:
        self._options = options

    def seal(self, method: str, params: Mapping[str, Json]) -> JsonObject:
        """Return the params with every `{"plain": …}` sealed."""

        def sealed(name: str, value: Json) -> Json:
            match value:
                case {"plain": str(text), **rest} if not rest:
                    context = info(
                        method,
                        account=self._options.account,
                        provider=_text(params, "provider"),
                        key_id=_text(params, "keyId"),
                        base_url=_text(params, "baseUrl"),
                        field=name,
                    )
                    return {"sealed": seal(self._options.sealing.public_key, text, context)}
                case dict():
                    return {inner: sealed(inner, part) for inner, part in value.items()}
                case list():
                    return [sealed(name, part) for part in value]
            return value

        return {name: sealed(name, value) for name, value in params.items()}


class RecoveryCodes:
    """Receives the recovery code of one request, where the page asks for one."""

    def __init__(self, method: str, account: str) -> None:
        self._key = SealingKey()
        self._info = info(method, account=account, field=_CODE)

    @staticmethod
    def wanted(params: JsonObject) -> bool:
        """Take the page's wish out of the params."""
        return params.pop(_MAKE_CODE, False) is True

    def add_recipient(self, params: JsonObject) -> None:
        params["recipientPublicKey"] = self._key.public_key_b64

    def open_in(self, result: JsonObject) -> None:
        """Replace a sealed code of the result by its text."""
        match result.get(_CODE):
            case {"sealed": str(sealed)}:
                result[_CODE] = self._key.open(sealed, self._info).reveal()


def _text(params: Mapping[str, Json], name: str) -> str | None:
    value = params.get(name)
    return value if isinstance(value, str) else None
