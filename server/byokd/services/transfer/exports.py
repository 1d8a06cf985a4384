"""`key/export`: returns keys as one file, encrypted under a passphrase."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection
from typing import Final

from byokd.core.limits import EXPORT_FILE_MAX_BYTES
from byokd.crypto import export_file
from byokd.crypto.export_file import ExportFileError
from byokd.crypto.seal import SealingKey
from byokd.keysource.passphrase import check_new, derive_key, new_cost
from byokd.protocol.errors import InvalidParams, NotFound, Unsupported
from byokd.protocol.transfer import KeyExportParams, KeyExportResult
from byokd.services.audit.service import AuditService
from byokd.services.runtime.sealed_input import open_secret
from byokd.services.runtime.session import Session
from byokd.vault import KeyRow, Vault, VaultTx, keys, transfer

METHOD: Final = "key/export"
_FIELD: Final = "passphrase"


class ExportService:
    """Exports keys, if `allowed` by `--allow-export`."""

    def __init__(
        self, vault: Vault, audit: AuditService, sealing: SealingKey, *, allowed: bool
    ) -> None:
        self._vault = vault
        self._audit = audit
        self._sealing = sealing
        self._allowed = allowed

    async def export(self, session: Session, params: KeyExportParams) -> KeyExportResult:
        """Export this account's keys.

        Raises:
            Unsupported: this daemon was not started with `--allow-export`.
            InvalidParams: the passphrase is too short, or there are too many keys for one file.
            NotFound: a named key does not exist, or there is no key.
        """
        if not self._allowed:
            raise Unsupported("clients cannot export keys; run in a terminal: byokd keys export")
        passphrase = open_secret(
            session, params.passphrase, self._sealing, method=METHOD, field=_FIELD
        )
        check_new(passphrase, f"/{_FIELD}")
        cost = new_cost().packed()
        key = await derive_key(passphrase, cost)

        def export(tx: VaultTx) -> tuple[bytes, int, tuple[str, ...]]:
            rows, broken = _rows_to_export(tx, session.account, params.key_ids)
            data = export_file.write(key, cost, [transfer.pack_entry(tx, row) for row in rows])
            for row in rows:
                self._audit.record(tx, session, "key.exported", row)
            return data, len(rows), broken

        try:
            data, count, left_out = await self._vault.transaction(export)
        except ExportFileError:
            raise InvalidParams(
                f"these keys need more than {EXPORT_FILE_MAX_BYTES} bytes; export them in parts",
                details=[{"pointer": "/keyIds", "reason": "tooLarge"}],
            ) from None
        return KeyExportResult(bundle=b64encode(data).decode(), keys=count, left_out=left_out)


def _rows_to_export(
    tx: VaultTx, account: str, key_ids: Collection[str] | None
) -> tuple[list[KeyRow], tuple[str, ...]]:
    """Return the rows, and the ids of unreadable ones."""
    if key_ids:
        return [keys.get(tx, account, key_id) for key_id in dict.fromkeys(key_ids)], ()
    listing = keys.list_keys(tx, account)
    if not listing.rows:
        raise NotFound("there are no keys to export in this account")
    return list(listing.rows), listing.broken
