"""Reads the sources of an answer: grounding and recitation.

Gemini's spans count UTF-8 bytes; the protocol's count characters.
"""

from __future__ import annotations

from byokd.dialects.base.json import as_index, as_text
from byokd.protocol.base import Json, JsonObject
from byokd.protocol.parts import CitationPart, Source, Span


class Grounding:
    """Collects the sources of an answer, from growing or partial lists."""

    __slots__ = ("_chunks", "_queries", "_recited", "_supports")

    def __init__(self) -> None:
        self._chunks: list[Json] = []
        self._supports: list[Json] = []
        self._recited: list[Json] = []
        self._queries: list[Json] = []

    @property
    def searches(self) -> int:
        return sum(bool(query) for query in self._queries)

    def add(self, candidate: JsonObject) -> None:
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
        """Return one citation for each source, with the first span that it supports."""
        if not (self._chunks or self._recited):
            return []
        spans = self._spans(text)
        citations = [
            CitationPart(source=_source(chunk), span=spans.get(index))
            for index, chunk in enumerate(self._chunks)
            if isinstance(chunk, dict)
        ]
        for entry in self._recited:
            if isinstance(entry, dict):
                source = Source(url=as_text(entry.get("uri")), title=as_text(entry.get("title")))
                citations.append(CitationPart(source=source, span=_span(entry, text)))
        return citations

    def _spans(self, text: str) -> dict[int, Span]:
        spans: dict[int, Span] = {}
        for support in self._supports:
            if not isinstance(support, dict):
                continue
            segment, indices = support.get("segment"), support.get("groundingChunkIndices")
            span = _span(segment, text) if isinstance(segment, dict) else None
            for index in map(as_index, indices if isinstance(indices, list) else []):
                if span is not None and index is not None:
                    spans.setdefault(index, span)
        return spans


def _joined(earlier: list[Json], value: Json) -> list[Json]:
    """Return a list updated with a chunk's, which repeats and extends it or has new entries."""
    entries = value if isinstance(value, list) else []
    if entries[: len(earlier)] == earlier:
        return entries
    return earlier + [entry for entry in entries if entry not in earlier]


def _source(chunk: JsonObject) -> Source:
    named = next((kind for kind in chunk.values() if isinstance(kind, dict)), {})
    url = as_text(named.get("uri")) or as_text(named.get("sourceUri"))
    is_web = url is not None and url.startswith(("http://", "https://"))
    document = as_text(named.get("documentName")) or as_text(named.get("fileSearchStore"))
    return Source(
        url=url if is_web else None,
        title=as_text(named.get("title")),
        document=document or (None if is_web else url),
    )


def _span(segment: JsonObject, text: str) -> Span | None:
    """Return a segment in characters, by its byte offsets, else by its text."""
    first, end = as_index(segment.get("startIndex")) or 0, as_index(segment.get("endIndex"))
    quoted = segment.get("text")
    if end is not None and 0 <= first < end:
        encoded = text.encode()
        covered = encoded[first:end].decode(errors="replace")
        if end <= len(encoded) and (covered == quoted or not isinstance(quoted, str)):
            at = len(encoded[:first].decode(errors="replace"))
            return Span(start=at, end=at + len(covered))
    if isinstance(quoted, str) and quoted and (at := text.find(quoted)) >= 0:
        return Span(start=at, end=at + len(quoted))
    return None
