"""The rules for the head of an answer and the bounds of its body, for every transport."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus
from typing import Final

from byokd.core.http import Headers, HttpHead, HttpResponse
from byokd.core.limits import RESPONSE_HEADERS_MAX_BYTES
from byokd.protocol.errors import ProviderError, ProviderRedirect, StreamInterrupted

_ABSOLUTE: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]-]{1,255}(?:/[A-Za-z0-9._~/-]{0,255})?")


def read_head(status: int, raw: Iterable[tuple[bytes, bytes]]) -> HttpHead:
    """Return the head of an answer, checked.

    Raises:
        ProviderRedirect: any 3xx. It is not followed: the key would go to another origin.
        ProviderError: headers too long, a compressed body, or a 1xx status.
    """
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw]
    if sum(len(name) + len(value) + len(": \r\n") for name, value in pairs) > (
        RESPONSE_HEADERS_MAX_BYTES
    ):
        raise ProviderError("the provider sent too many headers", http_status=status)
    headers = Headers(pairs)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        raise ProviderRedirect(
            "the provider answered with a redirect, which is not followed with a key;"
            " correct the base URL",
            http_status=status,
            details={"to": _target(headers.get("location") or "")},
        )
    if status < HTTPStatus.OK:
        raise ProviderError("the provider switched to another protocol", http_status=status)
    # An intermediary may compress the body; a decompression bomb is a few kilobytes long.
    if (headers.get("content-encoding") or "identity").strip().lower() != "identity":
        raise ProviderError(
            "the answer is compressed, which was not requested; look for a proxy between"
            " this machine and the provider",
            http_status=status,
        )
    return HttpHead(status, headers)


def _target(location: str) -> str | None:
    """Return scheme, host and path of an absolute URL; its query may hold a secret."""
    match = _ABSOLUTE.match(location)
    return match[0] if match else None


def too_long(body_max_bytes: int) -> ProviderError:
    return ProviderError(
        f"the provider's answer is longer than {body_max_bytes} bytes", retryable=False
    )


async def read_whole(
    head: HttpHead, chunks: AsyncIterator[bytes], error_body_max_bytes: int
) -> HttpResponse:
    """Return the answer with its body.

    The body of an error status is cut, and returned as far as it arrived if the connection breaks:
    the status matters more.
    """
    is_error = head.status >= HTTPStatus.BAD_REQUEST
    body = bytearray()  # not a list: a body may arrive a byte at a time
    try:
        async for chunk in chunks:
            body += chunk
            if is_error and len(body) >= error_body_max_bytes:
                break
    except StreamInterrupted:
        if not is_error:
            raise
    if is_error:
        del body[error_body_max_bytes:]
    return HttpResponse(head.status, head.headers, bytes(body))
