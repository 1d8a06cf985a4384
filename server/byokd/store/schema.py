"""Compares the schema of a store with the one that its migrations make.

Whoever can write the file can also rename a column, so that a checked value is read under another
name, or add a trigger that keeps deleted rows. Rows have MACs; the schema is compared instead.
"""

from __future__ import annotations

import sqlite3
from functools import lru_cache
from typing import Final, TypeAlias

Steps: TypeAlias = tuple[tuple[str, ...], ...]
"""The migrations of a store, each a tuple of statements."""

Schema: TypeAlias = frozenset[tuple[object, ...]]

_OWN_NAMES: Final = "NOT (type IN ('table', 'index') AND name GLOB 'sqlite_*')"
"""Leaves out SQLite's own tables and indexes, and no trigger or view, whatever its name."""

_QUERIES: Final = (
    f"SELECT 'object', type, name, tbl_name FROM sqlite_schema WHERE {_OWN_NAMES}",  # noqa: S608
    """
    SELECT 'table', list.name, list.type, list.wr, list.strict
    FROM sqlite_schema AS s JOIN pragma_table_list AS list
        ON list.name = s.name AND list.schema = 'main'
    WHERE s.type = 'table' AND s.name NOT GLOB 'sqlite_*'
    """,
    """
    SELECT 'column', s.name, c.cid, c.name, c.type, c."notnull", c.dflt_value, c.pk, c.hidden
    FROM sqlite_schema AS s JOIN pragma_table_xinfo(s.name) AS c
    WHERE s.type = 'table' AND s.name NOT GLOB 'sqlite_*'
    """,
    """
    SELECT 'index', s.name, i.name, i."unique", i.origin, i.partial,
        c.seqno, c.cid, c.name, c."desc", c.coll, c.key
    FROM sqlite_schema AS s
        JOIN pragma_index_list(s.name) AS i JOIN pragma_index_xinfo(i.name) AS c
    WHERE s.type = 'table' AND s.name NOT GLOB 'sqlite_*'
    """,
)


def schema_of(connection: sqlite3.Connection) -> Schema:
    """Return every table, column, index, trigger and view of a store."""
    return frozenset(tuple(row) for query in _QUERIES for row in connection.execute(query))


@lru_cache(maxsize=8)
def expected_schema(steps: Steps) -> Schema:
    """Return the schema of a store on which exactly these migrations ran."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        for step in steps:
            for statement in step:
                connection.execute(statement)
        return schema_of(connection)
    finally:
        connection.close()
