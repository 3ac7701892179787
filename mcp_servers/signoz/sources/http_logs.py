"""Logs through SigNoz's API: counts are asked for as counts, shapes are folded here from a bounded number of lines."""

from typing import Any, Final

import re2

from mcp_servers.signoz.reading import number
from mcp_servers.signoz.sources import LogFilter, Read, Row
from mcp_servers.signoz.sources.http_client import UnknownKey
from mcp_servers.signoz.sources.http_query import MAX_ROWS, Questions, both_of, lit, nanoseconds, spec
from mcp_servers.signoz.windows import Windows

_ERROR = ("ERROR", "ERR", "FATAL", "CRITICAL", "CRIT", "PANIC", "EMERGENCY", "ALERT", "SEVERE")
_WARN = ("WARN", "WARNING")
OLDEST: Final = 300
_VARYING = re2.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9a-fA-F]{12,}|[0-9]+")
_NEWEST = (("timestamp", "desc"), ("id", "desc"))
_FIRST = (("timestamp", "asc"), ("id", "asc"))


def _cases(words: tuple[str, ...]) -> list[str]:
    """The filter language compares exactly, so a word comes as ERROR, error and Error."""
    return [form for word in words for form in (word, word.lower(), word.title())]


IS_ERROR: Final = f"severity_number >= 17 OR severity_text IN {lit(_cases(_ERROR))}"


def at_least(level: int) -> str:
    """Lines of a severity number of at least ``level``, or of a word that stands for one; "" for all lines."""
    if not level:
        return ""
    words = (_ERROR if level <= 17 else ()) + (_WARN if level <= 13 else ())
    return f"severity_number >= {int(level)}" + (f" OR severity_text IN {lit(_cases(words))}" if words else "")


class HttpLogs:
    """The log reads of `Source`. ``service_keys`` name a line's service, the first that this SigNoz knows counts."""

    ask: Questions
    service_keys: tuple[str, ...]

    async def steps(self, both: Windows, service: str, sample: int) -> Read:
        """Nothing: the API cannot read the lines of many requests in their order."""
        return Read(
            [],
            (
                "SigNoz's API cannot put lines and spans together; with RCA_SIGNOZ_CLICKHOUSE_URL requests are compared step by step",
            ),
        )

    async def _keyed(self, run: Any) -> Any:
        """``await run(key)`` with the first service key that logs have; the next one where SigNoz knows it not."""
        while True:
            usable = self.ask.known("logs", self.service_keys)
            key = usable[0] if usable else ""
            try:
                return await run(key)
            except UnknownKey as unknown:
                if unknown.key != key:
                    return await self.ask.optional("logs", (), _raising(unknown))
                self.ask.forget("logs", key)

    def _key_notes(self) -> tuple[str, ...]:
        usable = self.ask.known("logs", self.service_keys)
        if not usable:
            return (
                f"no line has one of the keys {', '.join(self.service_keys)}: lines cannot be told apart by service",
            )
        if usable[0] == self.service_keys[0]:
            return ()
        return (f"key {self.service_keys[0]} is absent in logs; {usable[0]} names the service instead",)

    async def log_volumes(self, both: Windows, service: str) -> Read:
        async def run(key: str) -> list[list[Row]]:
            one = spec(
                "logs",
                where=both_of(f"{key} = {lit(service)}" if service and key else ""),
                aggregations=("count()", f"countIf({IS_ERROR})"),
                group=(key,) if key else (),
                order=(("count()", "desc"),),
            )
            now = self.ask.scalar(both.cur_from, both.cur_to, one)
            return await self.ask.gathered(
                now, *([self.ask.scalar(both.base_from, both.base_to, one)] if both.compared else [])
            )

        told = await self._keyed(run)
        found: dict[str, Row] = {}
        for window, (lines, errors) in zip(told, (("lines", "errors"), ("base_lines", "base_errors")), strict=False):
            for row in window:
                name = self._service(row)
                one = found.setdefault(
                    name, {"service": name, "lines": 0.0, "base_lines": 0.0, "errors": 0.0, "base_errors": 0.0}
                )
                one[lines] += number(row.get("a0"))
                one[errors] += number(row.get("a1"))
        ordered = sorted(found.values(), key=lambda r: (-r["lines"] - r["base_lines"], r["service"]))
        # A count without groups answers one row also for no lines at all.
        return Read([r for r in ordered if r["lines"] or r["base_lines"]], self._key_notes())

    async def log_shapes(self, both: Windows, only: LogFilter, sample: int) -> Read:
        del sample  # lines are thinned here by what one question may bring
        folded: dict[tuple[str, bool, str], Row] = {}
        notes: list[str] = []
        windows = [(both.cur_from, both.cur_to, True)]
        windows += [(both.base_from, both.base_to, False)] if both.compared else []
        read = await self.ask.gathered(*(self._lines(a, b, only) for a, b, _ in windows))
        for (_, _, current), (rows, failing, others) in zip(windows, read, strict=True):
            if max(failing, others) > 1:
                notes.append(f"patterns {'now' if current else 'before'} are estimated from {len(rows):,} lines")
            for row in rows:
                self._fold(folded, row, current, failing if self._is_error(row) else others)
        for row in folded.values():
            row["n"], row["base_n"] = round(row["n"]), round(row["base_n"])
        ordered = sorted(
            folded.values(), key=lambda r: (not r["error"], -r["n"] - r["base_n"], r["service"], r["shape"])
        )
        return Read(ordered, (*notes, *self._key_notes()))

    async def _lines(self, start: int, end: int, only: LogFilter) -> tuple[list[Row], float, float]:
        """Failing lines and others, the newest of each and, where they are many, the oldest; how many lines each failing one and each
        other one stands for.
        """
        newest, errors = await self.ask.gathered(
            self._raw(start, end, only, MAX_ROWS, order=_NEWEST),
            self._raw(start, end, only, MAX_ROWS, order=_NEWEST, also=IS_ERROR),
        )
        cut = len(newest) >= MAX_ROWS
        oldest = await self._raw(start, end, only, OLDEST, order=_FIRST) if cut else []
        everything: dict[str, Row] = {}
        for row in [*newest, *errors, *oldest]:
            if only.contains.lower() in str(row.get("body", "")).lower():
                everything[str(row.get("id") or len(everything))] = row
        rows = list(everything.values())
        if not cut:
            return rows, 1.0, 1.0

        async def run(key: str) -> list[Row]:
            one = spec("logs", where=self._where(only, key), aggregations=("count()", f"countIf({IS_ERROR})"))
            return await self.ask.scalar(start, end, one)

        counted = await self._keyed(run)
        total, failing = (sum(number(r.get(cell)) for r in counted) for cell in ("a0", "a1"))
        seen = sum(self._is_error(row) for row in rows)
        return rows, max(1.0, failing / max(1, seen)), max(1.0, (total - failing) / max(1, len(rows) - seen))

    async def _raw(
        self, start: int, end: int, only: LogFilter, limit: int, *, order: tuple[tuple[str, str], ...], also: str = ""
    ) -> list[Row]:
        async def run(key: str) -> list[Row]:
            one = spec("logs", where=both_of(self._where(only, key), also), limit=limit, order=order)
            return await self.ask.rows(start, end, one)

        found: list[Row] = await self._keyed(run)
        return found

    def _where(self, only: LogFilter, key: str) -> str:
        return both_of(
            f"{key} = {lit(only.service)}" if only.service and key else "",
            f"body CONTAINS {lit(only.contains)}" if only.contains else "",
            f"trace_id = {lit(only.trace_id)}" if only.trace_id else "",
            at_least(only.level),
        )

    def _fold(self, folded: dict[tuple[str, bool, str], Row], row: Row, current: bool, factor: float) -> None:
        body, at = str(row.get("body", "")), nanoseconds(row.get("timestamp")) // 10**9
        severity = str(row.get("severity_text", ""))
        error = self._is_error(row)
        shape = str(_VARYING.sub("#", body[:300]))
        service = self._service(row)
        one = folded.setdefault(
            (service, error, shape),
            {
                "service": service,
                "error": error,
                "severity": severity,
                "shape": shape,
                "line": body[:600],
                "n": 0.0,
                "base_n": 0.0,
                "first": 0,
                "last": 0,
                "traces": [],
                "pods": [],
            },
        )
        one["n" if current else "base_n"] += factor
        if current:
            one["first"] = min(filter(None, (one["first"], at)), default=0)
            one["last"] = max(one["last"], at)
            for key, value in (("traces", row.get("trace_id")), ("pods", _resource(row, "k8s.pod.name"))):
                if value and value not in one[key] and len(one[key]) < 3:
                    one[key].append(str(value))

    @staticmethod
    def _is_error(row: Row) -> bool:
        return number(row.get("severity_number")) >= 17 or str(row.get("severity_text", "")).upper() in _ERROR

    def _service(self, row: Row) -> str:
        return next((v for v in (_resource(row, k) for k in self.service_keys) if v), "")

    async def log_series(self, both: Windows, only: LogFilter, step_s: int) -> Read:
        async def run(key: str) -> Any:
            one = spec("logs", where=self._where(only, key), aggregations=("count()",), step_s=step_s)
            return await self.ask.series(min(both.base_from, both.cur_from), both.cur_to, one)

        counted: dict[int, float] = {}
        for _, points in await self._keyed(run):
            for at, n in points:
                counted[at // step_s] = counted.get(at // step_s, 0) + n
        wild = any(c in only.contains for c in "%_")
        notes = ("the series counts % and _ of contains as any text",) if wild else ()
        return Read([{"slot": slot, "n": n} for slot, n in sorted(counted.items())], notes)

    async def log_rows(self, both: Windows, only: LogFilter, limit: int) -> Read:
        rows = await self._raw(both.cur_from, both.cur_to, only, limit, order=_NEWEST)
        made = [
            {
                "timestamp": nanoseconds(row.get("timestamp")),
                "severity_text": str(row.get("severity_text", "")),
                "service": self._service(row),
                "pod": _resource(row, "k8s.pod.name"),
                "line": str(row.get("body", ""))[:2000],
                "trace_id": str(row.get("trace_id", "")),
                "span_id": str(row.get("span_id", "")),
            }
            for row in rows
            if only.contains.lower() in str(row.get("body", "")).lower()
        ]
        return Read(made, self._key_notes())


def _raising(unknown: UnknownKey) -> Any:
    async def run(_: list[str]) -> None:
        raise unknown

    return run


def _resource(row: Row, key: str) -> str:
    """A resource attribute of a raw row, in whichever of the known places it stands."""
    for place in ("resources_string", "resource", "resources"):
        inner = row.get(place)
        if isinstance(inner, dict) and inner.get(key):
            return str(inner[key])
    return str(row.get(key) or "")
