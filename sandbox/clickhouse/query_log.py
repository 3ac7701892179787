"""``system.query_log`` for an engine that keeps none: every statement that passes the front, in the columns that a server has.

Two things the embedded engine does not tell stay 0: memory, and what its own threads did. Rows reach the table when it is flushed, as on a server.
"""

import json
import re
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sandbox.clickhouse.engine import Engine, EngineError, Reply

_KEPT = 5_000  # entries waiting for a flush
_TABLE = re.compile(r"(?i)\b(?:from|join|into|table)\s+(?:if\s+(?:not\s+)?exists\s+)?([`\"\w$]+\.[`\"\w$]+)")
_KINDS = {"with": "Select", "explain": "Explain", "show": "Show", "describe": "Describe", "desc": "Describe"}
_PARAM = re.compile(r"\{(\w+):\s*([^{}]+)\}")

DDL = """CREATE TABLE IF NOT EXISTS system.query_log (
  hostname LowCardinality(String), type Enum8('QueryStart' = 1, 'QueryFinish' = 2, 'ExceptionBeforeStart' = 3, 'ExceptionWhileProcessing' = 4),
  event_date Date, event_time DateTime, event_time_microseconds DateTime64(6), query_start_time DateTime, query_duration_ms UInt64, read_rows UInt64,
  read_bytes UInt64, written_rows UInt64, result_rows UInt64, result_bytes UInt64, memory_usage UInt64, current_database LowCardinality(String),
  query String, normalized_query_hash UInt64, query_kind LowCardinality(String), tables Array(LowCardinality(String)), exception_code Int32,
  exception String, is_initial_query UInt8, user LowCardinality(String), query_id String, client_name LowCardinality(String), log_comment String
) ENGINE = MergeTree PARTITION BY toYYYYMM(event_date) ORDER BY (event_date, event_time)"""
_INSERT = """INSERT INTO system.query_log (hostname, type, event_date, event_time, event_time_microseconds, query_start_time, query_duration_ms, read_rows,
read_bytes, written_rows, result_rows, result_bytes, memory_usage, current_database, query, normalized_query_hash, query_kind, tables, exception_code, exception,
is_initial_query, user, query_id, client_name, log_comment) SELECT hostName(), type, toDate(at), at, at, started, ms, read_rows, read_bytes, 0, result_rows,
result_bytes, 0, database, query, normalizedQueryHash(query), kind, tables, code, exception, 1, user, query_id, client, comment FROM file({path:String}, 'JSONEachRow', 'type String, at DateTime,
started DateTime, ms UInt64, read_rows UInt64, read_bytes UInt64, result_rows UInt64, result_bytes UInt64, database String, query String, kind String,
tables Array(String), code Int32, exception String, user String, query_id String, client String, comment String')"""


@dataclass(frozen=True)
class Asked:
    """One statement as it came."""

    statement: str
    user: str
    query_id: str
    database: str = "default"
    client: str = ""
    comment: str = ""
    params: tuple[tuple[str, str], ...] = ()


class QueryLog:
    """The log of one engine. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        engine.run(DDL)

    def note(self, asked: Asked, began: float, reply: Reply | None, error: EngineError | None = None) -> None:
        """Remember one statement that began at ``began`` (epoch seconds) and ended now."""
        now = time.time()
        text = _bound(asked.statement, dict(asked.params))
        if "system.query_log" in text and text.lstrip().lower().startswith(("insert", "create")):
            return  # loading a recorded log is no part of it
        word = text.lstrip("( \n\t").split(None, 1)[0].lower() if text.strip() else ""
        failed = (
            "ExceptionWhileProcessing" if error and error.code in (159, 158, 241, 396, 307) else "ExceptionBeforeStart"
        )
        entry = {
            "type": failed if error else "QueryFinish",
            "at": _stamp(now),
            "started": _stamp(began),
            "ms": int((now - began) * 1000),
            "read_rows": reply.read_rows if reply else 0,
            "read_bytes": reply.read_bytes if reply else 0,
            "result_rows": reply.result_rows if reply else 0,
            "result_bytes": len(reply.body) if reply else 0,
            "database": asked.database,
            "query": text[:100_000],
            "kind": _KINDS.get(word, word.capitalize()),
            "tables": sorted({name.replace("`", "").replace('"', "") for name in _TABLE.findall(text)}),
            "code": error.code if error else 0,
            "exception": str(error) if error else "",
            "user": asked.user,
            "query_id": asked.query_id,
            "client": asked.client,
            "comment": asked.comment,
        }
        with self._lock:
            self._waiting = [*self._waiting[-_KEPT:], entry]

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            rows, self._waiting = self._waiting, []
        if rows:
            file = self._engine.scratch("\n".join(json.dumps(row) for row in rows).encode())
            try:
                self._engine.run(_INSERT, params={"path": str(file)})
            finally:
                file.unlink(missing_ok=True)


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _bound(statement: str, params: dict[str, str]) -> str:
    """The statement with its parameters in place, as a server logs it."""

    def fill(match: "re.Match[str]") -> str:
        value = params.get(match[1])
        if value is None:
            return match[0]
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    return _PARAM.sub(fill, statement) if params else statement
