"""`provider/list`: the providers that a session may use.

It is answered before the store, the keyring and the network stack are imported, so this module must
not import them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from byokd.catalog.record import Provider
from byokd.catalog.shipped import layer_of
from byokd.catalog.surfaces import dialects
from byokd.core.settings import Settings
from byokd.dialects.registry import DIALECTS
from byokd.protocol.errors import NotFound, Unsupported
from byokd.protocol.provider import (
    FieldInfo,
    HostInfo,
    ProviderInfo,
    ProviderListParams,
    ProviderListResult,
)
from byokd.services.runtime.paging import page
from byokd.services.runtime.session import Session


class ProviderService:
    def __init__(self, records: Mapping[str, Provider], settings: Settings) -> None:
        self._records = records
        self._multi_field = settings.features.multi_field_providers

    def replace(self, records: Mapping[str, Provider]) -> None:
        """Use these records from now on; a chat that runs keeps its own."""
        self._records = records

    def list(self, session: Session, params: ProviderListParams) -> ProviderListResult:
        visible = self.visible(session)
        items, next_cursor = page(visible, params.cursor, params.limit)
        return ProviderListResult(
            items=tuple(describe(record) for record in items), next_cursor=next_cursor
        )

    def get(self, provider: str, session: Session) -> Provider:
        """Raise `NotFound` for an unknown provider, `Unsupported` for one that is switched off."""
        record = self._records.get(provider)
        if record is None:
            raise NotFound(
                "there is no such provider; provider/list names them all",
                details={"provider": provider[:64]},
            )
        if not self._visible(record, session):
            raise Unsupported(
                "this provider is switched off by the feature multiFieldProviders",
                provider=record.id,
            )
        return record

    def name_of(self, provider: str) -> str:
        """Return a provider's name for people; the id of one that is no longer known."""
        record = self._records.get(provider)
        return record.name if record is not None else provider

    def visible(self, session: Session) -> Sequence[Provider]:
        return [record for record in self._records.values() if self._visible(record, session)]

    def _visible(self, record: Provider, session: Session) -> bool:
        allowed = self._multi_field and session.features.multi_field_providers
        return allowed or record.kind != "multiField"


def describe(record: Provider) -> ProviderInfo:
    return ProviderInfo(
        id=record.id,
        name=record.name,
        kind=record.kind,
        stage=record.stage,
        dialect=record.dialect,
        dialects=dialects(record),
        base_url=record.base_url,
        base_url_required=record.base_url_required,
        base_url_hint=record.base_url_hint,
        base_url_env=record.base_url_env,
        hosts=tuple(
            HostInfo(name=host.name, base_url=host.base_url, note=host.note)
            for host in record.hosts
        ),
        fields=tuple(
            FieldInfo(
                name=field.name,
                label=field.label,
                secret=field.secret,
                required=field.required,
                pattern=field.pattern,
                hint=field.hint,
                env=field.env,
                address_only=field.address_only,
            )
            for field in record.fields
        ),
        keyless=record.keyless,
        key_url=record.key_url,
        key_prefix_hint=record.key_prefixes[0].text if record.key_prefixes else None,
        key_prefixes=tuple(prefix.text for prefix in record.key_prefixes),
        docs_url=record.docs_url,
        tool_calling=record.tool_calling,
        pricing=record.pricing,
        tags=record.tags,
        notes=record.notes,
        chat_available=record.dialect in DIALECTS,
        layer=layer_of(record),
        as_of=record.checked,
    )
