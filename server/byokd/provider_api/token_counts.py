"""Counts the input tokens of a conversation: an estimate, or a request to the provider."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from pydantic_core import from_json, to_json

from byokd.catalog.record import TokenCount
from byokd.catalog.token_counts import Family, text_tokens
from byokd.core.http import HttpRequest
from byokd.dialects.base.call import Encoded
from byokd.dialects.base.json_pointer import at_pointer
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.chat import CountTokensParams, Tool
from byokd.protocol.parts import (
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

_BYTES_A_PAGE: Final = 50_000
"""How large a page of a PDF is taken to be; its pages cannot be counted without reading it."""


def estimate(params: CountTokensParams, family: Family) -> int:
    """Return the estimated input tokens, at least 1."""
    count = partial(text_tokens, family=family)
    if params.messages is None:
        return max(1, round(count(params.text or "")))
    total = family.request + family.message * len(params.messages)
    total += count("\n".join(_texts(params.messages)))
    total += sum(_media(part, family) for part in _parts(params.messages))
    if params.tools:
        total += family.tools + family.tool * len(params.tools)
        total += family.tool_text * sum(count(_tool_text(tool)) for tool in params.tools)
    if params.reasoning is not None and params.reasoning.effort != "none":
        total += family.thinking
    return max(1, round(total))


def _parts(messages: tuple[Message, ...]) -> Iterator[Part]:
    for message in messages:
        for part in message.parts():
            yield part
            if isinstance(part, ToolResultPart) and not isinstance(part.content, str):
                yield from part.content


def _texts(messages: tuple[Message, ...]) -> Iterator[str]:
    for part in _parts(messages):
        match part:
            case TextPart() | ReasoningPart():
                yield part.text
            case ToolCallPart():
                yield part.name
                arguments = part.raw_arguments
                yield to_json(part.arguments).decode() if arguments is None else arguments
            case ToolResultPart() if isinstance(part.content, str):
                yield part.content
            case _:
                pass


def _tool_text(tool: Tool) -> str:
    description = {"description": tool.description} if tool.description else {}
    return to_json({"name": tool.name, **description, "parameters": tool.input_schema}).decode()


def _media(part: Part, family: Family) -> float:
    """Return the tokens of an image or a document; documents count by their size."""
    if isinstance(part, ImagePart):
        return family.image
    if not isinstance(part, FilePart):
        return 0
    size = len(part.data or "") * 3 // 4
    if part.media_type.startswith("text/"):
        return size * family.text / 4
    return family.page * max(1, size // _BYTES_A_PAGE)


def count_request(place: TokenCount, encoded: Encoded, model: str) -> HttpRequest | None:
    """Return the request that counts a chat's input; None if the chat's URL has another form.

    `encoded` is the chat without a stream.
    """
    chat = encoded.request
    body: Json = from_json(chat.body)
    if not chat.url.endswith(place.chat_ending) or not isinstance(body, dict):
        return None
    url = chat.url.removesuffix(place.chat_ending) + place.ending
    wanted = {name: body[name] for name in place.fields if name in body}
    nested: JsonObject = {name: _filled(text, model) for name, text in place.add.items()}
    nested |= wanted
    for name in reversed(place.inside.split("/")[1:]):
        nested = {name: nested}
    return replace(chat, url=url, body=to_json(nested))


def _filled(template: str, model: str) -> str:
    prefix = template.partition("{model}")[0]
    return template.replace("{model}", model.removeprefix(prefix))


def read_count(place: TokenCount, body: bytes) -> int | None:
    """Return the tokens in an answer; None if it does not state them."""
    try:
        document: Json = from_json(body, allow_inf_nan=False)
    except ValueError:
        return None
    value = at_pointer(document, place.tokens)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
