"""The embedded engine: one a process, one connection a statement, so that no setting outlives the statement it was sent with."""

import contextlib
import re
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CODE = re.compile(r"Code:\s*(\d+)")
_INSERT = re.compile(r"(?is)(\s*INSERT\s.+?)\s+FORMAT\s+(\w+)\s*")
_NAME = re.compile(r"[A-Za-z_]\w*")

# A cluster named "cluster" of this one node makes Distributed tables, GLOBAL IN and clusterAllReplicas() work without an open port.
_CONFIG = """<clickhouse><tcp_port>9000</tcp_port><remote_servers><cluster><shard><replica><host>localhost</host><port>9000</port></replica></shard></cluster>
</remote_servers></clickhouse>
"""

# The small build leaves these out; on a server they mask literals the same way.
_FUNCTIONS = {
    "normalizeQuery": r"""(q) -> trimBoth(replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(replaceRegexpAll(
        q, '(?s)--[^\n]*|/\*.*?\*/', ' '), '\'(?:[^\'\\\\]|\\\\.|\'\')*\'', '?'), '\\b\\d+(?:\\.\\d+)?(?:[eE][+-]?\\d+)?\\b', '?'),
        '\\?(\\s*,\\s*\\?)+', '?..'), '\\s+', ' '))""",
    "normalizedQueryHash": "(q) -> cityHash64(normalizeQuery(q))",
}


class EngineMissing(RuntimeError):
    """The embedded engine is not installed."""


class EngineError(Exception):
    """A statement failed; ``code`` is ClickHouse's number."""

    def __init__(self, message: str, code: int = 0) -> None:
        found = _CODE.search(message)
        self.code = code or (int(found[1]) if found else 1002)
        super().__init__(message if found else f"Code: {self.code}. DB::Exception: {message}")


@dataclass(frozen=True)
class Reply:
    """``body`` in the format that was asked for; the numbers are rows and bytes as the engine counts them."""

    body: bytes
    read_rows: int = 0
    read_bytes: int = 0
    result_rows: int = 0
    elapsed_s: float = 0.0


class Engine:
    """``path``: a folder to keep data in; empty for a throw-away one. Raises `EngineMissing`."""

    def __init__(self, path: str = "") -> None:
        try:
            import chdb
        except ImportError as error:
            raise EngineMissing(
                "the embedded ClickHouse engine is not installed; install the extra clickhouse-embedded, for example: "
                "uv sync --extra clickhouse-embedded"
            ) from error
        self._chdb: Any = chdb
        self._scratch = tempfile.TemporaryDirectory(prefix="rca-clickhouse-")
        self.path = path or str(Path(self._scratch.name) / "data")
        Path(self.path).mkdir(parents=True, exist_ok=True)
        config = Path(self._scratch.name) / "config.xml"
        config.write_text(_CONFIG)
        # This connection keeps the engine alive; statements run on their own.
        self._keeper: Any = chdb.connect(f"{self.path}?config-file={config}")
        self._opening = threading.Lock()
        self.version = self.run("SELECT version()").body.decode().strip()
        known = self.run(
            "SELECT name FROM system.functions WHERE name IN ('normalizeQuery', 'normalizedQueryHash')"
        ).body
        for name, definition in _FUNCTIONS.items():
            if name.encode() not in known.split():
                self.run(f"CREATE FUNCTION {name} AS {definition}")

    def run(
        self,
        statement: str | bytes,
        output: str = "TabSeparated",
        *,
        profile: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        database: str = "",
    ) -> Reply:
        """Run one statement. ``profile`` is the user's (set first), ``settings`` the request's. Blocking. Raises `EngineError`."""
        with self._opening:
            connection = self._chdb.connect(self.path)
        spare: list[Path] = []
        try:
            prelude = [
                f"SET param_{name} = {_quote(value)}" for name, value in (params or {}).items() if _checked(name)
            ]
            if database:
                prelude.append(f"USE {_identifier(database)}")
            late = dict(profile or {})
            lock = late.pop("readonly", "0")
            prelude += [f"SET {name} = {_quote(value)}" for name, value in late.items() if _checked(name)]
            if lock != "0":
                prelude.append(f"SET readonly = {int(lock)}")
            asked = sorted(
                (settings or {}).items(), key=lambda item: item[0] == "readonly"
            )  # it would lock out the others
            prelude += [f"SET {name} = {_quote(value)}" for name, value in asked if _checked(name)]
            for line in prelude:
                connection.query(line)
            result = connection.query(self._placed(statement, spare), output)
            body = result.bytes() if result is not None else b""
            return Reply(
                bytes(body),
                int(result.storage_rows_read()),
                int(result.storage_bytes_read()),
                int(result.rows_read()),
                float(result.elapsed()),
            )
        except RuntimeError as error:  # what the engine's binding raises for every failed statement
            raise EngineError(str(error)) from error
        finally:
            connection.close()
            for file in spare:
                file.unlink(missing_ok=True)

    def scratch(self, data: bytes) -> Path:
        """A file with ``data`` that the engine can read; the caller removes it."""
        handle, name = tempfile.mkstemp(dir=self._scratch.name)
        with open(handle, "wb") as file:
            file.write(data)
        return Path(name)

    def _placed(self, statement: str | bytes, spare: list[Path]) -> str:
        """An INSERT with its rows behind the first line reads them from a file: the engine takes 64 KB of them inline and no more."""
        if isinstance(statement, str):
            return statement
        head, _, data = statement.partition(b"\n")
        insert = _INSERT.fullmatch(head.decode("utf-8", "replace"))
        if insert is None:
            return statement.decode("utf-8", "replace")
        spare.append(self.scratch(data))
        return f"{insert[1]} FROM INFILE {_quote(str(spare[-1]))} FORMAT {insert[2]}"

    def close(self) -> None:
        self._keeper.close()
        with contextlib.suppress(OSError):
            self._scratch.cleanup()


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _identifier(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _checked(name: str) -> bool:
    if not _NAME.fullmatch(name):
        raise EngineError(f"Setting {name[:60]!r} is neither a builtin setting nor a parameter. (UNKNOWN_SETTING)", 115)
    return True
