"""Reads where an answer says its words come from: grounding and recitation.

Knows both lists and how a stretch of text is named in them. Must not know how the text came. Spans
on the wire count bytes of UTF-8; ours count characters.
"""

from __future__ import annotations

from byokd.dialects.base.json import place
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.parts import CitationPart, Source, Span


class Grounding:
    """Gathers sources over an answer; lists may grow from chunk to chunk or come in parts."""

    __slots__ = ("_chunks", "_queries", "_recited", "_supports")

    def __init__(self) -> None:
        self._chunks: list[Json] = []
        self._supports: list[Json] = []
        self._recited: list[Json] = []
        self._queries: list[Json] = []

    @property
    def searches(self) -> int:
        """How many queries the provider's search was asked."""
        return sum(bool(query) for query in self._queries)

    def add(self, candidate: JsonObject) -> None:
        """Read what one chunk says about sources."""
        grounding = candidate.get("groundingMetadata")
        if isinstance(grounding, dict):
            self._chunks = _joined(self._chunks, grounding.get("groundingChunks"))
            self._supports = _joined(self._supports, grounding.get("groundingSupports"))
            self._queries = _joined(self._queries, grounding.get("webSearchQueries"))
        recitation = candidate.get("citationMetadata")
        if isinstance(recitation, dict):
            cited = recitation.get("citationSources") or recitation.get("citations")
            self._recited = _joined(self._recited, cited)

    def citations(self, text: str) -> list[CitationPart]:
        """Return one citation for each source, with the first stretch of text that it supports."""
        if not (self._chunks or self._recited):
            return []
        spans = self._spans(text)
        found = [
            CitationPart(source=_source(chunk), span=spans.get(index))
            for index, chunk in enumerate(self._chunks)
            if isinstance(chunk, dict)
        ]
        for entry in self._recited:
            if isinstance(entry, dict):
                source = Source(url=_text(entry.get("uri")), title=_text(entry.get("title")))
                found.append(CitationPart(source=source, span=_span(entry, text)))
        return found

    def _spans(self, text: str) -> dict[int, Span]:
        spans: dict[int, Span] = {}
        for support in self._supports:
            if not isinstance(support, dict):
                continue
            segment, indices = support.get("segment"), support.get("groundingChunkIndices")
            span = _span(segment, text) if isinstance(segment, dict) else None
            for index in map(place, indices if isinstance(indices, list) else []):
                if span is not None and index is not None:
                    spans.setdefault(index, span)
        return spans


def _joined(held: list[Json], value: Json) -> list[Json]:
    """Return a list that has grown: what comes repeats what was there, or adds to it."""
    news = value if isinstance(value, list) else []
    if news[: len(held)] == held:
        return news
    return held + [entry for entry in news if entry not in held]


def _source(chunk: JsonObject) -> Source:
    """Return the source in a grounding chunk, of whichever kind it is."""
    named = next((kind for kind in chunk.values() if isinstance(kind, dict)), {})
    url = _text(named.get("uri")) or _text(named.get("sourceUri"))
    is_web = url is not None and url.startswith(("http://", "https://"))
    document = _text(named.get("documentName")) or _text(named.get("fileSearchStore"))
    return Source(
        url=url if is_web else None,
        title=_text(named.get("title")),
        document=document or (None if is_web else url),
    )


def _span(segment: JsonObject, text: str) -> Span | None:
    """Return a segment in characters; where its bytes do not hold its words, by its words."""
    first, end = place(segment.get("startIndex")) or 0, place(segment.get("endIndex"))
    words = segment.get("text")
    if end is not None and 0 <= first < end:
        encoded = text.encode()
        stretch = encoded[first:end].decode(errors="replace")
        if end <= len(encoded) and (stretch == words or not isinstance(words, str)):
            at = len(encoded[:first].decode(errors="replace"))
            return Span(start=at, end=at + len(stretch))
    if isinstance(words, str) and words and (at := text.find(words)) >= 0:
        return Span(start=at, end=at + len(words))
    return None


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
