"""Traces by what is wrong with them, and keys with their values, through SigNoz's API."""

from collections import defaultdict
from typing import Any, Final

from mcp_servers.common.envelope import ToolFailure
from mcp_servers.signoz.reading import number
from mcp_servers.signoz.series_filters import Condition
from mcp_servers.signoz.series_reads import (
    FieldKey,
    FieldValue,
    FoundSpan,
    SpanGroup,
    Telemetry,
    TraceSearch,
    TracesFound,
)
from mcp_servers.signoz.sources import Row
from mcp_servers.signoz.sources.clickhouse_search import GROUPS, one_of_each
from mcp_servers.signoz.sources.http_client import Missing, UnknownKey
from mcp_servers.signoz.sources.http_query import MAX_ROWS, Questions, both_of, lit, nanoseconds, spec
from mcp_servers.signoz.sources.http_spans import ENTERED, SERVICE

_STATUS: Final = "response_status_code"
_EXAMPLES: Final = 200
_FIELDS = ("trace_id", "name", "duration_nano", "has_error", _STATUS, "status_message", SERVICE)


def expression(conditions: tuple[Condition, ...]) -> str:
    """Conditions as a filter expression. Keys were checked when they were parsed; values become literals."""
    parts = []
    for one in conditions:
        many = one.operator in ("in", "not in")
        parts.append(f"{one.key} {one.operator.upper()} {lit(one.values) if many else lit(one.values[0])}")
    return " AND ".join(parts)


_Key = tuple[str, str, str, bool]
_ASKED_SINGLY: Final = 8


class HttpSearch:
    """`mcp_servers.signoz.series_reads.SearchReads` and `FieldReads`."""

    ask: Questions
    service_keys: tuple[str, ...]

    async def find_traces(self, search: TraceSearch) -> TracesFound:
        where = both_of(
            "has_error = true" if search.kind == "errors" else ENTERED,
            f"{SERVICE} = {lit(search.service)}" if search.service else "",
            f"name = {lit(search.operation)}" if search.operation else "",
            f"duration_nano >= {int(search.min_duration_ms * 1e6)}" if search.min_duration_ms else "",
            f"{_STATUS} = {lit(search.http_status)}" if search.http_status else "",
            expression(search.conditions),
        )
        grouped = spec(
            "traces",
            where=where,
            aggregations=("count()", "p50(duration_nano)", "p99(duration_nano)"),
            group=(SERVICE, "name", _STATUS, "has_error"),
            order=(("count()", "desc"),),
        )
        longest = (("timestamp", "desc"),) if search.kind == "all" else (("duration_nano", "desc"),)
        raw = spec("traces", where=where, fields=_FIELDS, limit=_EXAMPLES, order=longest)

        async def run(_: list[str]) -> list[Any]:
            return await self.ask.gathered(
                self.ask.scalar(search.from_s, search.to_s, grouped), self.ask.rows(search.from_s, search.to_s, raw)
            )

        groups, rows = await self.ask.optional("traces", (), run)
        if not groups:
            return TracesFound()
        began, sampled = await self._origins(search) if any(_true(g.get("has_error")) for g in groups) else ({}, 1)
        keyed = [(g, _key(g)) for g in groups]
        slow = search.kind == "slow"
        keyed.sort(key=lambda k: (not k[1][3], -number(k[0].get("a2" if slow else "a0")), k[1]))
        keyed = keyed[:GROUPS]
        examples = [_example(row) for row in rows]
        shown = {_shown(e) for e in examples}
        # The longest or newest spans may all be of one group; the foremost others are asked for one by one.
        missing = [key for _, key in keyed if key not in shown][:_ASKED_SINGLY]
        single = await self.ask.gathered(*(self._one_of(search, where, key) for key in missing))
        examples += [_example(row) for found in single for row in found]
        notes = (
            ("groups without an example are not among the longest traces",)
            if len(keyed) > len(shown) + len(missing)
            else ()
        )
        return TracesFound(
            tuple(_group(row, examples, began) for row, _ in keyed),
            tuple(
                FoundSpan(trace_id=row["trace"], **{k: v for k, v in row.items() if k != "trace"})
                for row in one_of_each(examples)[: search.limit]
            ),
            sum(int(number(g.get("a0"))) for g in groups),
            sampled,
            notes,
        )

    async def _one_of(self, search: TraceSearch, where: str, key: _Key) -> list[Row]:
        service, name, http, error = key
        own = both_of(
            where,
            f"{SERVICE} = {lit(service)}",
            f"name = {lit(name)}",
            f"{_STATUS} = {lit(http)}",
            f"has_error = {lit(error)}",
        )
        one = spec("traces", where=own, fields=_FIELDS, limit=3, order=(("duration_nano", "desc"),))
        return await self.ask.rows(search.from_s, search.to_s, one)

    async def _origins(self, search: TraceSearch) -> tuple[dict[tuple[str, str], float], int]:
        """Failing spans without a failing child by service and operation, and every how manyth failing span was read."""
        counted, rows = await self.ask.gathered(
            self.ask.scalar(
                search.from_s, search.to_s, spec("traces", where="has_error = true", aggregations=("count()",))
            ),
            self.ask.rows(
                search.from_s,
                search.to_s,
                spec(
                    "traces",
                    where="has_error = true",
                    fields=("trace_id", "span_id", "parent_span_id", "name", SERVICE),
                    limit=MAX_ROWS,
                    order=(("timestamp", "desc"),),
                ),
            ),
        )
        total = sum(number(r.get("a0")) for r in counted)
        factor = max(1.0, total / len(rows)) if rows else 1.0
        parents = {(r.get("trace_id"), r.get("parent_span_id")) for r in rows}
        began: dict[tuple[str, str], float] = defaultdict(float)
        for row in rows:
            if (row.get("trace_id"), row.get("span_id")) not in parents:
                began[(str(row.get(SERVICE) or ""), str(row.get("name", "")))] += factor
        return began, round(factor)

    async def field_keys(  # noqa: PLR0917 (what is asked for, in the order of the tool's arguments)
        self, kind: Telemetry, search: str, service: str, from_s: int, to_s: int, limit: int
    ) -> tuple[FieldKey, ...]:
        del service  # the API lists keys of all services
        told = await self._fields("keys", kind, search, from_s, to_s, limit)
        found = told.get("keys") if isinstance(told, dict) else None
        made = []
        for key, variants in (found or {}).items():
            for one in variants if isinstance(variants, list) else []:
                if search.lower() in str(key).lower():
                    context, data = str(one.get("fieldContext") or ""), str(one.get("fieldDataType") or "string")
                    made.append(FieldKey(str(key), _CONTEXTS.get(context, context), _TYPES.get(data, data), 0))
        return tuple(sorted(made, key=lambda f: (f.key, f.context))[:limit])

    async def field_values(  # noqa: PLR0917 (what is asked for, in the order of the tool's arguments)
        self, kind: Telemetry, key: str, search: str, service: str, from_s: int, to_s: int, limit: int
    ) -> tuple[FieldValue, ...]:
        if kind == "metrics":
            told = await self._fields("values", kind, search, from_s, to_s, limit, name=key)
            values = (told.get("values") or {}) if isinstance(told, dict) else {}
            texts = [
                str(v) for group in ("stringValues", "numberValues", "boolValues") for v in values.get(group) or []
            ]
            return tuple(FieldValue(v, 0) for v in sorted(texts) if search.lower() in v.lower())[:limit]
        name = SERVICE if kind == "traces" else next(iter(self.ask.known("logs", self.service_keys)), SERVICE)
        where = both_of(f"{name} = {lit(service)}" if service else "", f"{key} EXISTS")
        one = spec(kind, where=where, aggregations=("count()",), group=(key,), order=(("count()", "desc"),))
        try:
            rows = await self.ask.scalar(from_s, to_s, one)
        except UnknownKey:
            return ()
        kept = [
            (str(r.get(key, "")), int(number(r.get("a0"))))
            for r in rows
            if search.lower() in str(r.get(key, "")).lower()
        ]
        return tuple(FieldValue(v, n) for v, n in sorted(kept, key=lambda k: (-k[1], k[0])) if v)[:limit]

    async def _fields(  # noqa: PLR0917 (one request)
        self, what: str, kind: Telemetry, search: str, from_s: int, to_s: int, limit: int, **more: str
    ) -> Any:
        try:
            return await self.ask.api.get(
                f"/api/v1/fields/{what}",
                signal=kind,
                searchText=search,
                limit=str(limit),
                startUnixMilli=str(from_s * 1000),
                endUnixMilli=str(to_s * 1000),
                **more,
            )
        except Missing as error:
            raise ToolFailure(
                "UNSUPPORTED", f"this SigNoz has no list of {what}", hint="a newer SigNoz, or its store, has one"
            ) from error


_CONTEXTS = {"span": "column", "log": "column", "tag": "attribute", "point": "label", "": "attribute"}
_TYPES = {"float64": "number", "int64": "number", "number": "number"}


def _true(cell: Any) -> bool:
    return cell is True or str(cell).lower() in ("true", "1")


def _example(row: Row) -> dict[str, Any]:
    return {
        "trace": str(row.get("trace_id", "")),
        "at": nanoseconds(row.get("timestamp")) / 1e9,
        "service": str(row.get(SERVICE) or ""),
        "name": str(row.get("name", "")),
        "duration": number(row.get("duration_nano")) / 1e6,
        "http_status": str(row.get(_STATUS) or ""),
        "status": str(row.get("status_message") or "")[:300],
        "error": _true(row.get("has_error")),
    }


def _key(row: Row) -> _Key:
    """Service, operation, HTTP status, failed."""
    return str(row.get(SERVICE, "")), str(row.get("name", "")), str(row.get(_STATUS, "")), _true(row.get("has_error"))


def _shown(example: dict[str, Any]) -> _Key:
    return example["service"], example["name"], example["http_status"], example["error"]


def _group(row: Row, examples: list[dict[str, Any]], began: dict[tuple[str, str], float]) -> SpanGroup:
    key = _key(row)
    longest = max((e for e in examples if _shown(e) == key), key=lambda e: e["duration"], default={})
    return SpanGroup(
        *key,
        int(number(row.get("a0"))),
        number(row.get("a1")) / 1e6,
        number(row.get("a2")) / 1e6,
        int(began.get(key[:2], 0)) if key[3] else 0,
        str(longest.get("status", "")),
        str(longest.get("trace", "")),
    )
