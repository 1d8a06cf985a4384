"""What every answer must satisfy before anybody reads meaning into it.

Knows the rules on a head and the caps on a body, for the real transport and the scripted one alike.
Must not know where the bytes come from.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus

from byokd.core.http import Headers, HttpHead, HttpResponse
from byokd.core.limits import RESPONSE_HEADERS_MAX_BYTES
from byokd.protocol.errors import ProviderError, ProviderRedirect, StreamInterrupted


def read_head(status: int, raw: Iterable[tuple[bytes, bytes]]) -> HttpHead:
    """Return the head of an answer that may be read on.

    Raises:
        ProviderRedirect: any 3xx. Where it points is not looked at: following would carry the key
            to another origin, and so would a person who is told to.
        ProviderError: headers too long, a body compressed though `identity` was asked for, or a
            status that ends no exchange.
    """
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw]
    if sum(len(name) + len(value) + len(": \r\n") for name, value in pairs) > (
        RESPONSE_HEADERS_MAX_BYTES
    ):
        raise ProviderError("the provider sent more headers than are read", http_status=status)
    headers = Headers(pairs)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        raise ProviderRedirect(
            "the provider answered with a redirect, which is not followed with a key;"
            " correct the base URL",
            http_status=status,
        )
    if status < HTTPStatus.OK:
        raise ProviderError("the provider switched to another protocol", http_status=status)
    # An intermediary may compress what the provider did not; a bomb is a few kilobytes long.
    if (headers.get("content-encoding") or "identity").strip().lower() != "identity":
        raise ProviderError(
            "the answer is compressed, which was not asked for; check what lies between"
            " this machine and the provider",
            http_status=status,
        )
    return HttpHead(status, headers)


def too_long(body_max_bytes: int) -> ProviderError:
    """Return the error for a body past its cap; asking again would bring it again."""
    return ProviderError(
        f"the provider's answer is longer than {body_max_bytes} bytes", retryable=False
    )


async def read_whole(
    head: HttpHead, chunks: AsyncIterator[bytes], error_body_max_bytes: int
) -> HttpResponse:
    """Return the answer with its body.

    The body of an error is cut at `error_body_max_bytes`, and kept as far as it came where it
    breaks: its status says more than the break does.
    """
    is_error = head.status >= HTTPStatus.BAD_REQUEST
    read = bytearray()  # not a list: a body may come a byte at a time
    try:
        async for chunk in chunks:
            read += chunk
            if is_error and len(read) >= error_body_max_bytes:
                break
    except StreamInterrupted:
        if not is_error:
            raise
    if is_error:
        del read[error_body_max_bytes:]
    return HttpResponse(head.status, head.headers, bytes(read))
