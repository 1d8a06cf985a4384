"""Probes stored keys."""

from __future__ import annotations

from byokd.protocol.errors import Conflict, NotFound, Unsupported
from byokd.protocol.key import ProbeResult
from byokd.services.keys.credentials import credential_of
from byokd.services.keys.prober import Prober
from byokd.services.providers import ProviderService
from byokd.services.runtime.session import Session
from byokd.vault import KeyRow, Vault, keys


class StoredKeyProber:
    """Probes a stored key, whatever its state, on a fresh connection."""

    def __init__(self, providers: ProviderService, vault: Vault, prober: Prober) -> None:
        self._providers = providers
        self._vault = vault
        self._prober = prober

    async def probe(self, session: Session, row: KeyRow) -> ProbeResult:
        """Return the provider's verdict.

        Raises:
            NotFound, Unsupported: the key is deleted, or its provider switched off.
            Conflict: the key was stored for another origin.
        """
        provider = self._providers.get(row.provider, session)
        opened = await self._vault.read(lambda tx: keys.open_key(tx, session.account, row.key_id))
        return await self._prober.probe(credential_of(provider, opened).candidate, fresh=True)

    async def probe_if_possible(self, session: Session, row: KeyRow) -> ProbeResult | None:
        """Return None instead of raising these errors."""
        try:
            return await self.probe(session, row)
        except (NotFound, Unsupported, Conflict):
            return None
