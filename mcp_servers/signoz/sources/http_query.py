"""Questions to SigNoz's v5 query API, and its answers as plain rows.

Values get into a filter through `lit` alone: an expression is a program, and a service name out of an alert must stay a name in it.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final, Literal

from mcp_servers.common.envelope import ToolFailure
from mcp_servers.signoz.sources import Row
from mcp_servers.signoz.sources.http_client import Api, UnknownKey

Signal = Literal["logs", "traces", "metrics"]
MAX_ROWS: Final = 1000  # of one question for lines or spans
MAX_GROUPS: Final = 500
MAX_WINDOW_S: Final = 31 * 86_400
_REMEMBERED_S = 600.0


def lit(value: str | float | bool | Iterable[str]) -> str:
    """``value`` as a literal of the filter language; a list for ``IN``. Raises `ToolFailure` VALIDATION for text that cannot be one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        if not isfinite(value):
            raise ToolFailure("VALIDATION", f"{value} is not a number that can be compared with")
        return repr(value)
    if not isinstance(value, str):
        return "(" + ", ".join(lit(v) for v in value) + ")"
    if len(value) > 1000 or "\x00" in value:
        raise ToolFailure(
            "VALIDATION", "a value of a filter is too long or holds a NUL", hint="at most 1,000 characters"
        )
    text = value.replace("\\", "\\\\").replace("'", "\\'")
    return "'" + text + "'"


def both_of(*parts: str) -> str:
    """The parts that are not empty, all required."""
    return " AND ".join(f"({p})" if " OR " in p else p for p in parts if p)


def spec(
    signal: Signal,
    *,
    where: str = "",
    aggregations: Sequence[str] = (),
    group: Sequence[str] = (),
    fields: Sequence[str] = (),
    limit: int = MAX_GROUPS,
    order: Sequence[tuple[str, str]] = (),
    step_s: int = 0,
) -> dict[str, Any]:
    """One builder query named A."""
    made: dict[str, Any] = {"name": "A", "signal": signal, "limit": limit, "filter": {"expression": where}}
    if aggregations:
        made["aggregations"] = [{"expression": a} for a in aggregations]
    if group:
        made["groupBy"] = [{"name": g} for g in group]
    if fields:
        made["selectFields"] = [{"name": f} for f in fields]
    if order:
        made["order"] = [{"key": {"name": name}, "direction": way} for name, way in order]
    if step_s:
        made["stepInterval"] = step_s
    return made


def question(kind: str, start_ms: int, end_ms: int, one: dict[str, Any]) -> dict[str, Any]:
    """The body of one question; ``end_ms`` is not part of the window. Raises `ToolFailure` VALIDATION for a window that is too long."""
    if end_ms - start_ms > MAX_WINDOW_S * 1000:
        raise ToolFailure("VALIDATION", "the window is longer than 31 days", hint="ask for a shorter time range")
    return {
        "schemaVersion": "v1",
        "start": start_ms,
        "end": max(end_ms, start_ms + 1),
        "requestType": kind,
        "compositeQuery": {"queries": [{"type": "builder_query", "spec": one}]},
        "formatOptions": {"fillGaps": False, "formatTableResultForUI": False},
        "noCache": False,
    }


class Questions:
    """Asks, and remembers for ten minutes which keys this SigNoz does not know."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._unknown: dict[tuple[str, str], float] = {}

    def known(self, signal: Signal, keys: Iterable[str]) -> list[str]:
        """The keys that were not found missing in the last ten minutes."""
        now = time.monotonic()
        return [k for k in keys if now - self._unknown.get((signal, k), -_REMEMBERED_S) >= _REMEMBERED_S]

    def forget(self, signal: Signal, key: str) -> None:
        """``key`` has no rows in ``signal``."""
        self._unknown[(signal, key)] = time.monotonic()

    async def scalar(self, start_s: float, end_s: float, one: dict[str, Any]) -> list[Row]:
        """One row a group: the group's keys by name, the aggregations as ``a0, a1, ...`` (numbers or times as text, ``None`` for NaN).

        Raises `UnknownKey`, `ToolFailure`.
        """
        found = []
        for result in await self._results("scalar", start_s, end_s, one):
            columns = result.get("columns") or []
            for cells in result.get("data") or []:
                row: Row = {}
                for column, cell in zip(columns, cells, strict=False):
                    if column.get("columnType") == "aggregation":
                        row[f"a{int(column.get('aggregationIndex') or 0)}"] = measured(cell)
                    else:
                        row[str(column.get("name", ""))] = "" if cell is None else str(cell)
                found.append(row)
        return found

    async def series(
        self, start_s: float, end_s: float, one: dict[str, Any]
    ) -> list[tuple[dict[str, str], list[tuple[int, float]]]]:
        """(labels, [(epoch seconds, value)]) of the first aggregation; partial points and those that are no number are left out."""
        found = []
        for result in await self._results("time_series", start_s, end_s, one):
            for bucket in (result.get("aggregations") or [])[:1]:
                for series in bucket.get("series") or []:
                    labels = {
                        str((x.get("key") or {}).get("name", "")): str(x.get("value") or "")
                        for x in series.get("labels") or []
                    }
                    points = [
                        (int(p["timestamp"]) // 1000, v)
                        for p in series.get("values") or []
                        if not p.get("partial") and (v := value(p.get("value", 0))) is not None
                    ]
                    found.append((labels, points))
        return found

    async def rows(self, start_s: float, end_s: float, one: dict[str, Any]) -> list[Row]:
        """The ``data`` of raw rows. A bound in fractions of seconds is kept to the ms."""
        return [
            {**(row.get("data") or {}), "timestamp": (row.get("data") or {}).get("timestamp", row.get("timestamp"))}
            for result in await self._results("raw", start_s, end_s, one)
            for row in result.get("rows") or []
        ]

    async def optional(self, signal: Signal, keys: Sequence[str], ask: Any) -> Any:
        """``await ask(keys that are known)``, again without a key that turns out to be unknown."""
        while True:
            usable = self.known(signal, keys)
            try:
                return await ask(usable)
            except UnknownKey as unknown:
                if unknown.key not in usable:
                    raise ToolFailure(
                        "VALIDATION",
                        f"SigNoz knows no key {unknown.key} in {signal}",
                        hint=f"close keys: {', '.join(unknown.near)}" if unknown.near else "find_fields lists the keys",
                    ) from unknown
                self.forget(signal, unknown.key)

    async def _results(self, kind: str, start_s: float, end_s: float, one: dict[str, Any]) -> list[dict[str, Any]]:
        told = await self.api.query(question(kind, int(start_s * 1000), int(end_s * 1000), one))
        results = (told.get("data") or {}).get("results") or []
        return [r for r in results if isinstance(r, dict)]

    async def gathered(self, *asks: Any) -> list[Any]:
        """Several questions side by side (the client lets four of them go at once)."""
        return list(await asyncio.gather(*asks))


def value(cell: Any) -> float | None:
    """A cell as a number: "NaN" and "Inf" are none."""
    try:
        read = float(cell)
    except (TypeError, ValueError):
        return None
    return read if isfinite(read) else None


def measured(cell: Any) -> float | str | None:
    """An aggregation's cell: a number, or a time as text."""
    read = value(cell)
    return cell if read is None and isinstance(cell, str) and cell[:4].isdigit() else read


def nanoseconds(cell: Any) -> int:
    """A time as ns since 1970: a number in s, ms, us or ns, or ISO 8601 text with up to nine digits; 0 for what is none."""
    if isinstance(cell, str) and not cell.replace(".", "", 1).isdigit():
        return _iso_ns(cell)
    read = value(cell)
    if not read or read < 0:
        return 0
    if isinstance(cell, str) and cell.isdigit():
        cell = int(cell)
    exact = cell if isinstance(cell, int) else read
    for limit, factor in ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3)):
        if read < limit:
            return int(exact * factor)
    return int(exact)


def _iso_ns(text: str) -> int:
    head, _, rest = text.strip().replace(" ", "T", 1).partition(".")
    digits = ""
    while rest and rest[0].isdigit():
        digits, rest = digits + rest[0], rest[1:]
    try:
        moment = datetime.fromisoformat(head + rest)
    except ValueError:
        return 0
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return int(moment.timestamp()) * 10**9 + int((digits + "0" * 9)[:9])
