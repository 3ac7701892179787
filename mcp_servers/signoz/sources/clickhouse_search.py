"""Traces by what is wrong with them: which operations fail or take long, and one trace of each to open."""

# ruff: noqa: S608, E501 (statements are constants over constants; values travel as typed parameters)

from typing import Final

from mcp_servers.signoz.client import Query, Row, Store, Value
from mcp_servers.signoz.reading import number
from mcp_servers.signoz.series_filters import clause, parameters
from mcp_servers.signoz.series_reads import FoundSpan, SpanGroup, TraceSearch, TracesFound
from mcp_servers.signoz.sql import SAMPLED, SERVICE_OF_SPAN, SPANS
from mcp_servers.signoz.windows_resource import SPANS_OF_SERVICE

SPANS_LOOKED_AT: Final = 200_000
GROUPS: Final = 40
_KEY = "coalesce(nullIf(resources_string[{key}], ''), nullIf(attributes_string[{key}], ''), if({key} = 'name', toString(name), ''))"
_STATUS = "coalesce(nullIf(toString(response_status_code), ''), nullIf(attributes_string['http.response.status_code'], ''), attributes_string['http.status_code'])"
# Failing spans of any kind, because the one where it began may be a client's; of the others those that enter a service.
_WANTED = f"""({{service:String}} = '' OR {SERVICE_OF_SPAN} = {{service:String}}) AND {SPANS_OF_SERVICE} AND ({{operation:String}} = '' OR name = {{operation:String}})
 AND duration_nano >= {{min_ns:UInt64}} AND ({{http_status:String}} = '' OR {_STATUS} = {{http_status:String}})
 AND if({{kind:String}} = 'errors', has_error, kind IN (2, 5)) AND {clause(_KEY)}"""
COUNT_MATCHING: Final = Query("matching spans", f"SELECT count() AS n FROM {SPANS} AND {_WANTED}")
GROUP: Final = Query(
    "groups of spans",
    f"""SELECT {SERVICE_OF_SPAN} AS service, toString(name) AS name, {_STATUS} AS http_status, has_error AS error, count() AS n,
 quantile(0.5)(duration_nano) / 1e6 AS p50, quantile(0.99)(duration_nano) / 1e6 AS p99, any(substring(status_message, 1, 300)) AS status,
 argMax(toString(trace_id), duration_nano) AS trace FROM {SPANS} AND {_WANTED}
 GROUP BY service, name, http_status, error ORDER BY error DESC, if({{kind:String}} = 'slow', p99, toFloat64(n)) DESC, service, name LIMIT {GROUPS}""",
)
# A failure begins where no child failed; a client span whose server failed is no beginning.
ORIGINS: Final = Query(
    "origins of failures",
    f"""WITH f AS (SELECT trace_id, span_id, parent_span_id, {SERVICE_OF_SPAN} AS service, toString(name) AS name FROM {SPANS} AND has_error AND {SAMPLED})
 SELECT service, name, count() AS n FROM f WHERE (trace_id, span_id) GLOBAL NOT IN (SELECT trace_id, parent_span_id FROM f) GROUP BY service, name
 ORDER BY n DESC LIMIT 300""",
)
FAILURES: Final = Query("failing spans", f"SELECT count() AS n FROM {SPANS} AND has_error")
EXAMPLES: Final = Query(
    "example spans",
    f"""SELECT toString(trace_id) AS trace, toUnixTimestamp64Nano(timestamp) / 1e9 AS at, {SERVICE_OF_SPAN} AS service, toString(name) AS name, duration_nano / 1e6 AS took,
 {_STATUS} AS http_status, substring(status_message, 1, 300) AS status, has_error AS error FROM {SPANS} AND {_WANTED}
 ORDER BY if({{kind:String}} = 'all', toUInt64(0), duration_nano) DESC, timestamp DESC LIMIT 3 BY service, name, http_status, error LIMIT 200""",
)


class ClickHouseSearch:
    """`mcp_servers.signoz.series_reads.SearchReads` over the store."""

    store: Store

    async def find_traces(self, search: TraceSearch) -> TracesFound:
        window: dict[str, Value] = {"from_s": search.from_s, "to_s": search.to_s}
        values: dict[str, Value] = {
            **window,
            "service": search.service,
            "operation": search.operation,
            "kind": search.kind,
            "http_status": search.http_status,
            "min_ns": int(search.min_duration_ms * 1e6),
            **parameters(search.conditions),
        }
        groups = await self.store.rows(GROUP, values)
        if not groups:
            return TracesFound()
        total = int(number((await self.store.rows(COUNT_MATCHING, values))[0]["n"]))
        examples = await self.store.rows(EXAMPLES, values)
        began: dict[tuple[str, str], float] = {}
        sample = 1
        if any(row["error"] for row in groups):
            failing = number((await self.store.rows(FAILURES, window))[0]["n"])
            sample = max(1, round(failing / SPANS_LOOKED_AT))
            rows = await self.store.rows(ORIGINS, window | {"sample": sample})
            began = {(str(r["service"]), str(r["name"])): number(r["n"]) * sample for r in rows}
        return TracesFound(
            tuple(_group(row, began) for row in groups),
            tuple(_example(row) for row in one_of_each(examples)[: search.limit]),
            total,
            sample,
        )


def one_of_each(rows: list[Row]) -> list[Row]:
    """The first of every group, then the second of every group, and so on; the order inside is kept."""
    seen: dict[tuple[str, str, str], int] = {}
    ranked = []
    for place, row in enumerate(rows):
        key = (str(row["service"]), str(row["name"]), str(row["http_status"]))
        turn = seen[key] = seen.get(key, 0) + 1
        ranked.append((turn, place, row))
    return [row for _, _, row in sorted(ranked, key=lambda r: r[:2])]


def _group(row: Row, began: dict[tuple[str, str], float]) -> SpanGroup:
    error = bool(row["error"])
    return SpanGroup(
        str(row["service"]),
        str(row["name"]),
        str(row["http_status"]),
        error,
        int(number(row["n"])),
        number(row["p50"]),
        number(row["p99"]),
        int(began.get((str(row["service"]), str(row["name"])), 0)) if error else 0,
        str(row["status"]),
        str(row["trace"]).rstrip("\0"),
    )


def _example(row: Row) -> FoundSpan:
    return FoundSpan(
        str(row["trace"]).rstrip("\0"),
        number(row["at"]),
        str(row["service"]),
        str(row["name"]),
        number(row["took"]),
        str(row["http_status"]),
        str(row["status"]),
        bool(row["error"]),
    )
