"""`byokd schema`: write the contract as files, for authors of clients."""

from __future__ import annotations

from pathlib import Path

import click

from byokd.cli import terminal


@click.command()
@click.option(
    "--out",
    "folder",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to write.",
)
def schema(folder: Path) -> None:
    """Write the protocol's schema and types."""
    from byokd.protocol.schema import write

    try:
        written = write(folder)
    except OSError as error:
        raise click.ClickException(f"cannot write to {folder}: {error.strerror}") from None
    for path in written:
        terminal.show(str(path))
