"""Rules for images and files."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from byokd.catalog.rules import RuleName
from byokd.dialects.base.media import is_text
from dialects.conversations import conversation, result, ruled, says, shape

_PNG, _JPEG = "iVBORw0KGgo=", "/9j/4AAQ"
_PDF, _WAV, _HEIC = (
    b64encode(data).decode()
    for data in (b"%PDF-1.7\n", b"RIFF\x24\0\0\0WAVEfmt ", b"\0\0\0\x18ftypheic\0\0\0\0")
)


def _image(**fields: Any) -> dict[str, Any]:
    return {"type": "image", **fields}


def _file(**fields: Any) -> dict[str, Any]:
    return {"type": "file", **fields}


_CASES: list[tuple[RuleName, str, Any, Any, list[str]]] = [
    ("inline_media", "a data URI", _image(url=f"data:image/png;base64,{_PNG}"),
     _image(mediaType="image/png", data=_PNG, url=None), []),
    ("inline_media", "with parameters",
     _file(mediaType="text/plain", url="data:text/csv;charset=utf-8;base64,YQ=="),
     _file(mediaType="text/csv", data="YQ==", url=None), []),
    ("inline_media", "without a type", _image(mediaType="image/png", url="data:;base64,AAAA"),
     _image(mediaType="image/png", data="AAAA", url=None), []),
    ("inline_media", "a link", _image(url="https://a.test/i.png"),
     _image(url="https://a.test/i.png"), []),
    ("inline_media", "data", _image(mediaType="image/png", data=_PNG),
     _image(mediaType="image/png", data=_PNG), []),
    ("media_types", "as its bytes say", _image(mediaType="image/png", data=_PNG),
     _image(mediaType="image/png", data=_PNG), []),
    ("media_types", "another than its bytes", _image(mediaType="image/png", data=_JPEG),
     _image(mediaType="image/jpeg", data=_JPEG), ["notice"]),
    ("media_types", "no type", _image(data=_JPEG), _image(mediaType="image/jpeg", data=_JPEG), []),
    ("media_types", "neither type nor known bytes", _image(data="AAAA"),
     _image(mediaType="image/png", data="AAAA"), []),
    ("media_types", "unknown bytes", _image(mediaType="IMAGE/TIFF", data="AAAA"),
     _image(mediaType="image/tiff", data="AAAA"), []),
    ("media_types", "another name of the type", _image(mediaType="image/jpg", data=_JPEG),
     _image(mediaType="image/jpeg", data=_JPEG), []),
    ("media_types", "a file that is an image", _file(mediaType="image/png", data=_PNG, name="a"),
     _image(mediaType="image/png", data=_PNG, url=None), []),
    ("media_types", "a link", _image(mediaType="image/x", url="https://a.test"),
     _image(mediaType="image/x", url="https://a.test"), []),
    ("media_types", "a PDF without a type", _file(mediaType="application/octet-stream", data=_PDF),
     _file(mediaType="application/pdf", data=_PDF), []),
    ("media_types", "a PDF as text", _file(mediaType="text/plain", data=_PDF),
     _file(mediaType="application/pdf", data=_PDF), ["notice"]),
    ("media_types", "a PDF as an image", _image(mediaType="image/png", data=_PDF),
     _image(mediaType="image/png", data=_PDF), []),
    ("media_types", "an image as a PDF", _file(mediaType="application/pdf", data=_PNG),
     _image(mediaType="image/png", data=_PNG), ["notice"]),
    ("media_types", "sound under another name of its type",
     _file(mediaType="audio/x-wav", data=_WAV), _file(mediaType="audio/x-wav", data=_WAV), []),
    ("media_types", "sound of another type", _file(mediaType="audio/mpeg", data=_WAV),
     _file(mediaType="audio/wav", data=_WAV), ["notice"]),
    ("media_types", "HEIC", _image(mediaType="image/jpeg", data=_HEIC),
     _image(mediaType="image/heic", data=_HEIC), ["notice"]),
    ("media_types", "text keeps its parameters",
     _file(mediaType="text/plain; charset=x", data="YQ=="),
     _file(mediaType="text/plain; charset=x", data="YQ=="), []),
    ("media_types", "another file", _file(mediaType="application/pdf", data="JVBERi0="),
     _file(mediaType="application/pdf", data="JVBERi0="), []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "name", "before", "after", "warned"), _CASES, ids=[f"{c[0]}-{c[1]}" for c in _CASES]
)
def test_media_rule(rule: RuleName, name: str, before: Any, after: Any, warned: list[str]) -> None:
    changed, kinds = ruled(rule, conversation([says("user", before)]), strict=True)
    assert shape(changed) == shape([says("user", after)]), name
    assert kinds == warned


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [(case[0], case[2], case[3]) for case in _CASES if case[2]["type"] == "image"],
)
def test_media_in_a_result_follows_the_rule(rule: RuleName, before: Any, after: Any) -> None:
    changed, _ = ruled(rule, conversation([says("tool", result("c", [before]))]))
    assert shape(changed) == shape([says("tool", result("c", [after]))])


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        ("text/x-anything", True), ("application/json", True), ("application/ld+json", True),
        ("application/x-sh", True), ("image/svg+xml", True), ("application/vnd.api+json", True),
        ("application/x-yaml", True), ("application/x-python", True),
        ("application/vnd.openxmlformats-officedocument.presentationml.presentation", False),
        ("application/x-shockwave-flash", False), ("application/pdf", False), ("video/mp4", False),
    ],
)  # fmt: skip
def test_is_text(media_type: str, *, expected: bool) -> None:
    assert is_text(media_type) is expected
