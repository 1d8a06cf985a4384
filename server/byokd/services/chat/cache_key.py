"""Names a conversation for a provider's prompt cache, so that its requests meet the same cache.

The name is a MAC under a secret of the store: nobody who sees it learns the conversation, and two
accounts or stores never share one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from byokd.crypto.kdf import mac
from byokd.protocol.chat import SendParams
from byokd.protocol.parts import FilePart, ImagePart, TextPart

_HEX_DIGITS: Final = 32


def cache_key(secret: bytes | None, account: str, params: SendParams) -> str | None:
    """Return the name of a conversation, or None without a secret.

    It depends on the messages up to the user's first one; later turns and tools do not change it.
    """
    if secret is None or params.cache == "off":
        return None
    start = "\0".join(_start(params)).encode("utf-8", "surrogatepass")
    return mac(secret, "prompt cache", account, start).hex()[:_HEX_DIGITS]


def _start(params: SendParams) -> Iterator[str]:
    for message in params.messages:
        yield message.role
        for part in message.parts():
            if isinstance(part, TextPart):
                yield part.text
            elif isinstance(part, ImagePart | FilePart):
                yield part.data or part.url or ""
        if message.role == "user":
            return
