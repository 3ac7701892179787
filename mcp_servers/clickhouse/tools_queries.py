"""`get_slow_queries`: what took the server's time, and whether it did before."""

from datetime import timedelta
from typing import Annotated, Literal

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.clickhouse import query_statements as q
from mcp_servers.clickhouse.context import Context
from mcp_servers.clickhouse.merging import Row
from mcp_servers.clickhouse.querylog import Compare, activity, earlier, why_nothing, window_of
from mcp_servers.clickhouse.reading import Reading, hosts_of, iso, number_of, real, size_of, span_of, whole
from mcp_servers.clickhouse.texts import shape
from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, Page, ok
from mcp_servers.common.signals import signal
from mcp_servers.common.timerange import Range, parse_range
from mcp_servers.common.untrusted import clean

SIGNALS = ("ch.slow_query_regressed", "ch.new_heavy_query", "ch.full_scan", "ch.memory_hog")
DESCRIPTION = (
    "The queries that took the most time, memory or reading in a window, grouped by shape, with latency against the "
    "window before: which got slower, "
    "which are new. From system.query_log."
)

ENOUGH = 3  # runs on either side, for a p95 to be compared


class SlowQuery(Lean):
    """One shape of query over all its runs in the window. ``p95_before_ms`` is of the window before; ``is_new`` only where that window has
    queries at all. ``host`` is where it took most time, ``hosts`` all that ran it, where there are several.
    """

    hash: str
    sql: str
    count: int
    count_before: int | None = None
    p50_ms: float = 0
    p95_ms: float = 0
    p95_before_ms: float | None = None
    p95_ratio: float | None = None
    is_new: bool | None = None
    max_ms: float = 0
    total_ms: float = 0
    time_share_ratio: float | None = None
    read_rows: int = 0
    read_bytes: int = 0
    returned_rows: int = 0
    peak_memory_bytes: int = 0
    failed: int = 0
    kind: str = ""
    user: str = ""
    host: str = ""
    hosts: list[str] = Field(default_factory=list)
    tables: list[str] = Field(default_factory=list)
    slowest_query_id: str = ""


class SlowQueries(Envelope):
    """The answer of `get_slow_queries`."""

    order_by: str
    queries: list[SlowQuery] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def get_slow_queries(  # noqa: PLR0917 (the arguments of the tool)
        time_range: Annotated[str, Field(max_length=100)] = "1h",
        kind: Literal["any", "Select", "Insert"] = "any",
        min_ms: Annotated[int, Field(ge=0, le=3_600_000)] = 500,
        order_by: Literal["total", "p95", "memory", "read"] = "total",
        compare: Annotated[
            Compare, Field(description="the baseline: the window before, or a day or week earlier")
        ] = "previous",
        limit: Annotated[int, Field(ge=1, le=30)] = 10,
    ) -> Annotated[CallToolResult, SlowQueries]:
        span = parse_range(time_range, context.clock(), timedelta(days=7))
        reading = Reading(await context.database())
        order = q.ORDERS[order_by]
        asked = {"kind": "" if kind == "any" else kind, "min_ms": min_ms, "limit": reading.share(limit + 1)}
        rows = await reading.must(q.SLOW, {**window_of(span), **asked}, order=order)
        rows.sort(key=lambda r: -real(r[order]))
        answer = SlowQueries(
            summary="", window=span.window(), order_by=order_by, notes=list(span.notes), untrusted=["queries[].sql"]
        )
        answer.queries = [slow_query(row) for row in rows[:limit]]
        if len(rows) > limit:
            answer.truncated, answer.page = True, Page(returned=limit, total=len(rows), total_is_lower_bound=True)
        if rows:
            await _set_against(reading, span, earlier(span, compare), answer)
            _judge(answer, context)
        else:
            await _why_none(reading, span, answer, min_ms)
        reading.into(answer)
        return ok(answer)

    return [strict.tool(get_slow_queries, "get_slow_queries", DESCRIPTION, SIGNALS)]


def slow_query(row: Row) -> SlowQuery:
    return SlowQuery(
        hash=f"{int(row['hash']):016x}",
        sql=shape(row["sql"], 400),
        count=whole(row["n"]),
        p50_ms=real(row["p50_ms"]),
        p95_ms=real(row["p95_ms"]),
        max_ms=real(row["max_ms"]),
        total_ms=real(row["total_ms"]),
        read_rows=whole(row["read_rows"]),
        read_bytes=whole(row.get("read_bytes")),
        returned_rows=whole(row.get("returned_rows")),
        peak_memory_bytes=whole(row.get("peak_memory")),
        failed=whole(row.get("failed")),
        kind=clean(row.get("kind"), 20),
        user=clean(row.get("user"), 60),
        host=clean(row.get("host"), 100),
        hosts=hosts_of(row),
        tables=[clean(name, 120) for name in row.get("table_names") or []],
        slowest_query_id=clean(row.get("slowest_query_id"), 60),
    )


async def _set_against(reading: Reading, span: Range, before: dict[str, int] | None, answer: SlowQueries) -> None:
    """How much of the time of all queries each takes, and what it was in the window before."""
    totals = await activity(reading, window_of(span))
    for query in answer.queries:
        if totals["total_ms"]:
            query.time_share_ratio = real(min(1.0, query.total_ms / totals["total_ms"]))
    if reading.database.several:
        answer.notes.append("over several servers p50 is the mean by runs and p95 that of the slowest server")
    if before is None:
        return
    hashes = [int(query.hash, 16) for query in answer.queries]
    found = await reading.one(q.BASELINE, {**before, "hashes": hashes})
    if q.BASELINE.name in reading.missing:
        return
    had_any = whole((await activity(reading, before))["n"])
    if not had_any:
        answer.notes.append(
            f"nothing was logged from {iso(before['start'])} to {iso(before['end'])}: nothing to compare with"
        )
        return
    answer.notes.append(f"compared with {iso(before['start'])} to {iso(before['end'])}, {number_of(had_any)} queries")
    known = {f"{int(row['hash']):016x}": row for row in found}
    for query in answer.queries:
        row = known.get(query.hash)
        query.is_new = row is None
        if row is not None:
            query.count_before = whole(row["n"])
            query.p95_before_ms = real(row["p95_ms"])
            query.p95_ratio = real(query.p95_ms / query.p95_before_ms, 2) if query.p95_before_ms else None


def _judge(answer: SlowQueries, context: Context) -> None:
    limits = context.settings.thresholds
    top = answer.queries[0]
    answer.summary = (
        f"{len(answer.queries)}{'+' if answer.truncated else ''} slow query shapes; the first by {answer.order_by}: "
        f"{top.count} runs, p95 {top.p95_ms:g} ms, "
        f"{span_of(top.total_ms / 1000)} in total{f' on {top.tables[0]}' if top.tables else ''}"
    )
    for query in answer.queries:
        subject = f"ch/{query.host}/{query.tables[0] if query.tables else query.hash}"
        what = f"query {query.hash[:8]}"
        ratio = query.p95_ratio or 0
        if ratio >= limits["p95_ratio"] and min(query.count, query.count_before or 0) >= ENOUGH:
            detail = f"{what}: p95 {query.p95_ms:g} ms against {query.p95_before_ms:g} ms before, {query.count} runs"
            answer.signals.append(
                signal(
                    "ch.slow_query_regressed",
                    subject,
                    detail,
                    value=query.p95_ms,
                    baseline=query.p95_before_ms,
                    threshold=limits["p95_ratio"],
                    unit="ms",
                    count=query.count,
                )
            )
        if query.is_new and (query.time_share_ratio or 0) >= limits["heavy_share"]:
            share = query.time_share_ratio or 0
            detail = f"{what} was not there before and takes {share:.0%} of all query time, {query.count} runs"
            answer.signals.append(
                signal(
                    "ch.new_heavy_query",
                    subject,
                    detail,
                    value=share,
                    threshold=limits["heavy_share"],
                    unit="ratio",
                    count=query.count,
                )
            )
        per_run = query.read_rows / max(query.count, 1)
        if (
            query.kind == "Select"
            and per_run >= limits["scan_rows"]
            and query.read_rows >= limits["scan_per_row"] * max(query.returned_rows, 1)
        ):
            detail = f"{what} reads {number_of(per_run)} rows a run and returns {number_of(query.returned_rows / max(query.count, 1))}"
            answer.signals.append(
                signal("ch.full_scan", subject, detail, value=per_run, threshold=limits["scan_rows"], unit="rows")
            )
        if query.peak_memory_bytes >= limits["hog_bytes"]:
            detail = f"{what} took up to {size_of(query.peak_memory_bytes)} of memory"
            answer.signals.append(
                signal(
                    "ch.memory_hog",
                    subject,
                    detail,
                    value=query.peak_memory_bytes,
                    threshold=limits["hog_bytes"],
                    unit="bytes",
                )
            )


async def _why_none(reading: Reading, span: Range, answer: SlowQueries, min_ms: int) -> None:
    seen = await activity(reading, window_of(span))
    if seen["n"]:
        answer.summary = (
            f"no query took {min_ms} ms or more; {number_of(whole(seen['n']))} ran, the slowest took "
            f"{whole(seen['slowest_ms'])} ms"
        )
    else:
        answer.summary = "no query was logged in this window"
        answer.notes.append(await why_nothing(reading, window_of(span)))
