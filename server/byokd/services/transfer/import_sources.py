"""Reads the sources of an import. Only paths that the person named are read."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Final

from byokd.catalog.record import Provider
from byokd.catalog.variables import variables_of
from byokd.core.limits import ENV_FILE_MAX_BYTES, EXPORT_FILE_MAX_BYTES
from byokd.core.secret import Secret
from byokd.crypto import export_file
from byokd.crypto.argon2 import Cost
from byokd.crypto.export_file import ExportFileError, Fault as FileFault
from byokd.crypto.seal import SealingKey
from byokd.keysource.passphrase import derive_key
from byokd.protocol.errors import InvalidParams, NotFound, Unsupported
from byokd.protocol.transfer import (
    BundleSource,
    EnvFileSource,
    EnvironmentSource,
    IgnoredVariable,
    ImportSource,
    SourceWarning,
    VariablesSource,
)
from byokd.services.providers import ProviderService
from byokd.services.runtime.sealed_input import open_secret
from byokd.services.runtime.session import Session
from byokd.services.transfer.detect import DetectedKey, base_url_variables, detect_keys
from byokd.services.transfer.env_file import Fault, Line, read_lines
from byokd.store.user_file import read_user_file
from byokd.vault import transfer

METHOD: Final = "key/import"

_PATH: Final = "/source/path"
_LINE_FAULTS: Final[dict[Fault, str]] = {
    "syntax": "this line is not NAME=value",
    "substitution": "this value contains a substitution, which is never done; write the value out",
    "unclosedQuote": "the quote that begins here is never closed; nothing after it was read",
}
_FILE_FAULTS: Final[dict[FileFault, tuple[str, str]]] = {
    "notABundle": (_PATH, "that is not a file that byokd exported"),
    "newer": (_PATH, "a newer byokd made this file; update byokd here"),
    "damaged": (_PATH, "the file is damaged; copy it again from where it was made"),
    "tooLarge": (_PATH, f"the file is larger than {EXPORT_FILE_MAX_BYTES} bytes"),
    "wrongPassphrase": ("/source/passphrase", "the passphrase does not open this file"),
}


@dataclass(frozen=True, slots=True)
class Content:
    """The keys of a source, with the variables and lines that contained none."""

    keys: Sequence[DetectedKey]
    ignored: tuple[IgnoredVariable, ...] = ()
    warnings: tuple[SourceWarning, ...] = ()


class ImportSources:
    """Reads sources; `variables` are the client's environment at the start."""

    def __init__(
        self,
        providers: ProviderService,
        sealing: SealingKey,
        variables: MutableMapping[str, Secret],
    ) -> None:
        self._providers = providers
        self._sealing = sealing
        self._variables = variables

    async def read(self, session: Session, source: ImportSource) -> Content:
        """Raise `InvalidParams`, with a pointer and a reason, for a wrong file or passphrase."""
        records = self._providers.visible(session)
        match source:
            case EnvironmentSource():
                return _content(records, self._variables)
            case VariablesSource():
                return _content(
                    records,
                    {
                        name: open_secret(session, value, self._sealing, method=METHOD, field=name)
                        for name, value in source.variables.items()
                    },
                )
            case EnvFileSource():
                return await asyncio.to_thread(_read_env_file, records, source.path)
            case BundleSource():
                return await self._read_export_file(session, source)

    def forget_variables(self) -> None:
        self._variables.clear()

    async def _read_export_file(self, session: Session, source: BundleSource) -> Content:
        passphrase = open_secret(
            session, source.passphrase, self._sealing, method=METHOD, field="passphrase"
        )
        data, _ = await asyncio.to_thread(
            read_user_file, source.path, EXPORT_FILE_MAX_BYTES, pointer=_PATH
        )
        try:
            content = export_file.read(data)
            Cost.unpacked(content.cost)  # raises before a cost out of bounds is paid
        except ExportFileError as error:
            raise _refused(error.fault) from None
        except ValueError:
            raise _refused("damaged") from None
        key = await derive_key(passphrase, content.cost)
        try:
            entries = [
                transfer.unpack_entry(text) for text in export_file.open_records(key, content)
            ]
        except ExportFileError as error:
            raise _refused(error.fault) from None
        except ValueError:
            raise _refused("damaged") from None
        return self._detect(session, entries)

    def _detect(self, session: Session, entries: Sequence[transfer.TransferredKey]) -> Content:
        detected: list[DetectedKey] = []
        warnings: list[SourceWarning] = []
        for entry in entries:
            new = entry.new
            try:
                record = self._providers.get(new.provider, session)
            except (NotFound, Unsupported):
                text = f"there is no provider {new.provider} here; its key is left out"
                warnings.append(SourceWarning(type="unknownProvider", line=None, message=text))
                continue
            detected.append(
                DetectedKey(
                    record,
                    new.fields,
                    label=new.label,
                    base_url=new.base_url,
                    origin=new.origin,
                    allow_insecure=new.allow_insecure,
                    make_default=new.make_default,
                    disabled=entry.disabled,
                )
            )
        return Content(detected, warnings=tuple(warnings))


def _content(
    records: Sequence[Provider],
    variables: MutableMapping[str, Secret],
    warnings: tuple[SourceWarning, ...] = (),
) -> Content:
    ignored = tuple(
        IgnoredVariable(variable=name, provider=record.id, reason="baseUrl")
        for name, record in base_url_variables(records, variables)
    )
    return Content(detect_keys(records, variables), ignored, warnings)


def _read_env_file(records: Sequence[Provider], path: str) -> Content:
    data, open_to_others = read_user_file(path, ENV_FILE_MAX_BYTES, pointer=_PATH)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise InvalidParams(
            "that is not a text file; name a file of NAME=value lines",
            details=[{"pointer": _PATH, "reason": "notText"}],
        )
    known = frozenset[str]().union(*map(variables_of, records))
    lines = [line for line in read_lines(text) if _is_relevant(line, known)]
    warnings = [
        SourceWarning(type="line", line=line.number, message=_LINE_FAULTS[line.fault])
        for line in lines
        if line.fault is not None
    ]
    if open_to_others:
        text = "other users of this machine can read this file; chmod 600 keeps them out"
        warnings.insert(0, SourceWarning(type="openToOthers", line=None, message=text))
    values = {line.name: Secret(line.value) for line in lines if line.name and line.value}
    return _content(records, values, tuple(warnings))


def _is_relevant(line: Line, known: frozenset[str]) -> bool:
    """Tell whether a line sets a known variable, or may set one but cannot be parsed."""
    return line.name is None or line.name in known or line.fault == "unclosedQuote"


def _refused(fault: FileFault) -> InvalidParams:
    pointer, text = _FILE_FAULTS[fault]
    return InvalidParams(text, details=[{"pointer": pointer, "reason": fault}])
