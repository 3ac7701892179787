"""ClickHouse's and MongoDB's official servers: statements and metadata. They judge nothing; a playbook's expressions read the rows."""

from collections.abc import Mapping
from typing import Any, Final

from bot.tools.adapters import lines
from bot.tools.capabilities import Adapter, Ask, Given, Json, rows_of

CLICKHOUSE: Final = "mcp-clickhouse"
MONGODB: Final = "mongodb-mcp-server"
MAX_ROWS: Final = 200


def _table(data: Any, ask: Ask) -> Given | None:
    """``{"columns": [...], "rows": [[...]]}``, or rows that are objects; both become columns and rows in their order."""
    columns = data.get("columns") if isinstance(data, Mapping) else None
    listed = data.get("rows") if isinstance(data, Mapping) else None
    if isinstance(columns, list) and isinstance(listed, list):
        names = [str(c.get("name") if isinstance(c, Mapping) else c) for c in columns]
        rows = [
            row if isinstance(row, list) else [row.get(n) for n in names]
            for row in listed
            if isinstance(row, list | dict)
        ]
    else:
        objects = rows_of(data, "result", "rows", "data")
        if not objects and data not in ([], {"result": []}, {"rows": []}, {"data": []}):
            return None
        names = list(objects[0]) if objects else []
        rows = [[row.get(n) for n in names] for row in objects]
    count = f"{len(rows)} {'row' if len(rows) == 1 else 'rows'}"
    return Given(count, {"columns": names, "rows": rows[:MAX_ROWS]}, tainted=("*",))


def _log(data: Any, ask: Ask) -> Given | None:
    """mongod's log lines, which are JSON, inside of the text that marks them as untrusted."""
    rows = [str(row.get("msg") or row) for row in data if isinstance(row, dict)] if isinstance(data, list) else []
    text = data.splitlines() if isinstance(data, str) else rows
    kept = [line for line in text if line.startswith("{")] if isinstance(data, str) else text
    if not kept:
        return None
    count, errors, found = lines.patterns(kept)
    return Given(lines.said(count, errors, found), {"lines_read": count, "patterns": found}, tainted=lines.TAINTED)


def _indexes(data: Any, ask: Ask) -> Given | None:
    rows = rows_of(data, "indexes", "classicIndexes")
    if not rows:
        return None
    return Given(f"{len(rows)} indexes", {"indexes": rows[:MAX_ROWS]}, tainted=("*",))


def _sql(ask: Ask) -> tuple[Json, ...]:
    return ({"query": ask.text("sql")},)


ADAPTERS: Final[tuple[Adapter, ...]] = (
    Adapter("clickhouse.sql", CLICKHOUSE, "run_query", ("query",), _sql, _table),
    Adapter("clickhouse.sql", CLICKHOUSE, "run_select_query", ("query",), _sql, _table),
    Adapter(
        "mongo.logs",
        MONGODB,
        "mongodb-logs",
        ("type", "limit"),
        lambda ask: ({"type": "global", "limit": int(ask.arguments.get("limit") or 200)},),
        _log,
    ),
    Adapter(
        "mongo.indexes",
        MONGODB,
        "collection-indexes",
        ("database", "collection"),
        lambda ask: ({"database": ask.text("database"), "collection": ask.text("collection")},),
        _indexes,
    ),
)
