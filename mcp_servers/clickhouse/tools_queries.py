"""`get_slow_queries` and `get_running_queries`: what takes the server's time, and whether it did before."""

from datetime import timedelta
from typing import Annotated, Literal

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.clickhouse import query_statements as q
from mcp_servers.clickhouse.client import Row
from mcp_servers.clickhouse.context import Context
from mcp_servers.clickhouse.reading import Reading, iso, number_of, real, size_of, span_of, whole
from mcp_servers.clickhouse.texts import shape
from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, Page, Signal, ok
from mcp_servers.common.signals import signal
from mcp_servers.common.timerange import Range, parse_range
from mcp_servers.common.untrusted import clean

SLOW_SIGNALS = ("ch.slow_query_regressed", "ch.new_heavy_query", "ch.full_scan", "ch.memory_hog")
SLOW_TEXT = (
    "The queries that took the most time, memory or reading in a window, grouped by shape, with latency against the window before: which got slower, "
    "which are new. From system.query_log."
)
RUNNING_SIGNALS = ("ch.long_query", "ch.memory_hog")
RUNNING_TEXT = "Queries that run right now, the longest first, with age, memory and rows read. Waiting and blocking ones stand out by their age."


class SlowQuery(Lean):
    """One shape of query. ``p95_before_ms`` is of the window before; ``is_new`` only where that window has queries at all."""

    hash: str
    sql: str
    count: int
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
    tables: list[str] = Field(default_factory=list)
    slowest_query_id: str = ""


class SlowQueries(Envelope):
    """The answer of `get_slow_queries`."""

    order_by: str
    queries: list[SlowQuery] = Field(default_factory=list)


class RunningQuery(Lean):
    """One query that runs now."""

    query_id: str
    sql: str
    elapsed_s: float
    host: str = ""
    user: str = ""
    kind: str = ""
    read_rows: int = 0
    read_bytes: int = 0
    expected_rows: int = 0
    memory_bytes: int = 0
    cancelled: bool = False


class RunningQueries(Envelope):
    """The answer of `get_running_queries`."""

    queries: list[RunningQuery] = Field(default_factory=list)


def window_of(span: Range) -> dict[str, int]:
    """The parameters ``start`` and ``end``, in epoch seconds."""
    return {"start": int(span.start.timestamp()), "end": int(span.end.timestamp()) + 1}


def tools(context: Context) -> list[Tool]:
    async def get_slow_queries(
        time_range: Annotated[str, Field(max_length=100)] = "1h",
        kind: Literal["any", "Select", "Insert"] = "any",
        min_ms: Annotated[int, Field(ge=0, le=3_600_000)] = 500,
        order_by: Literal["total", "p95", "memory", "read"] = "total",
        limit: Annotated[int, Field(ge=1, le=30)] = 10,
    ) -> Annotated[CallToolResult, SlowQueries]:
        span = parse_range(time_range, context.clock(), timedelta(days=7))
        reading = Reading(await context.database())
        asked = {"kind": "" if kind == "any" else kind, "min_ms": min_ms, "limit": limit + 1}
        rows = await reading.database.ask(q.SLOW, {**window_of(span), **asked}, order=q.ORDERS[order_by])
        rows.sort(key=lambda r: -real(r[q.ORDERS[order_by]]))
        answer = SlowQueries(
            summary="", window=span.window(), order_by=order_by, notes=list(span.notes), untrusted=["queries[].sql"]
        )
        answer.queries = [slow_query(row) for row in rows[:limit]]
        if len(rows) > limit:
            answer.truncated, answer.page = True, Page(returned=limit, total=len(rows), total_is_lower_bound=True)
        if rows:
            await _compare(reading, span, answer)
            _judge_slow(answer, context)
        else:
            await _why_none(reading, span, answer, min_ms)
        reading.into(answer)
        return ok(answer)

    async def get_running_queries(
        min_secs: Annotated[float, Field(ge=0, le=86_400)] = 1,
        limit: Annotated[int, Field(ge=1, le=20)] = 15,
    ) -> Annotated[CallToolResult, RunningQueries]:
        reading = Reading(await context.database())
        rows = await reading.database.ask(q.RUNNING, {"min_s": min_secs, "limit": limit + 1})
        rows.sort(key=lambda r: -real(r["elapsed_s"]))
        answer = RunningQueries(summary="", untrusted=["queries[].sql"])
        answer.queries = [running_query(row) for row in rows[:limit]]
        if len(rows) > limit:
            answer.truncated, answer.page = True, Page(returned=limit, total=len(rows), total_is_lower_bound=True)
        if rows:
            oldest = answer.queries[0]
            memory = sum(query.memory_bytes for query in answer.queries)
            answer.summary = f"{len(rows)} queries run for {min_secs:g} s or more, the longest for {span_of(oldest.elapsed_s)}; {size_of(memory)} of memory"
        else:
            counted = await reading.one(q.RUNNING_COUNT)
            others = sum(whole(row["n"]) for row in counted)
            answer.summary = f"no query runs for {min_secs:g} s or more; {others} shorter ones run now"
            answer.notes.append(
                "another user's queries are seen only with SELECT on system.processes; `health` tells whether this user has it"
            )
        answer.signals = _judge_running(answer.queries, context)
        reading.into(answer)
        return ok(answer)

    return [
        strict.tool(get_slow_queries, "get_slow_queries", SLOW_TEXT, SLOW_SIGNALS),
        strict.tool(get_running_queries, "get_running_queries", RUNNING_TEXT, RUNNING_SIGNALS),
    ]


def slow_query(row: Row) -> SlowQuery:
    share = row.get("share")
    return SlowQuery(
        hash=f"{int(row['hash']):016x}",
        sql=shape(row["sql"], 400),
        count=whole(row["n"]),
        p50_ms=real(row["p50_ms"]),
        p95_ms=real(row["p95_ms"]),
        max_ms=real(row["max_ms"]),
        total_ms=real(row["total_ms"]),
        time_share_ratio=real(share) if share is not None else None,
        read_rows=whole(row["read_rows"]),
        read_bytes=whole(row.get("read_bytes")),
        returned_rows=whole(row.get("returned_rows")),
        peak_memory_bytes=whole(row.get("peak_memory")),
        failed=whole(row.get("failed")),
        kind=clean(row.get("kind"), 20),
        user=clean(row.get("user"), 60),
        host=clean(row.get("host"), 100),
        tables=[clean(name, 120) for name in row.get("table_names") or []],
        slowest_query_id=clean(row.get("slowest_query_id"), 60),
    )


def running_query(row: Row) -> RunningQuery:
    return RunningQuery(
        query_id=clean(row["query_id"], 60),
        sql=shape(row["sql"], 300),
        elapsed_s=real(row["elapsed_s"], 1),
        host=clean(row.get("host"), 100),
        user=clean(row.get("user"), 60),
        kind=clean(row.get("kind"), 20),
        read_rows=whole(row.get("read")),
        read_bytes=whole(row.get("read_size")),
        expected_rows=whole(row.get("expected")),
        memory_bytes=whole(row.get("memory")),
        cancelled=bool(row.get("cancelled")),
    )


async def _compare(reading: Reading, span: Range, answer: SlowQueries) -> None:
    """Set each query against the window of the same length before."""
    before = Range(span.start - (span.end - span.start), span.start)
    bounds = {"start": int(before.start.timestamp()), "end": int(before.end.timestamp())}
    earlier, activity = await reading.all(
        (q.BASELINE, {**bounds, "hashes": [int(query.hash, 16) for query in answer.queries]}), (q.ACTIVITY, bounds)
    )
    had_any = sum(whole(row["n"]) for row in activity)
    if not had_any:
        answer.notes.append("the window before has no logged queries: nothing to compare with")
        return
    answer.notes.append(f"compared with {iso(bounds['start'])} to {iso(bounds['end'])}, {number_of(had_any)} queries")
    known = {f"{int(row['hash']):016x}": row for row in earlier}
    for query in answer.queries:
        row = known.get(query.hash)
        query.is_new = row is None
        if row is not None:
            query.p95_before_ms = real(row["p95_ms"])
            query.p95_ratio = real(query.p95_ms / query.p95_before_ms, 2) if query.p95_before_ms else None


def _judge_slow(answer: SlowQueries, context: Context) -> None:
    limits = context.settings.thresholds
    top = answer.queries[0]
    answer.summary = (
        f"{len(answer.queries)}{'+' if answer.truncated else ''} slow query shapes; the first by {answer.order_by}: {top.count} runs, p95 {top.p95_ms:g} ms, "
        f"{span_of(top.total_ms / 1000)} in total{f' on {top.tables[0]}' if top.tables else ''}"
    )
    for query in answer.queries:
        subject = f"ch/{query.host}/{query.tables[0] if query.tables else query.hash}"
        what = f"query {query.hash[:8]}"
        ratio = query.p95_ratio or 0
        if ratio >= limits["p95_ratio"] and query.count >= 3:
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
    rows = await reading.one(q.ACTIVITY, window_of(span))
    count = sum(whole(row["n"]) for row in rows)
    slowest = max((whole(row["slowest_ms"]) for row in rows), default=0)
    if count:
        answer.summary = f"no query took {min_ms} ms or more; {number_of(count)} ran, the slowest took {slowest} ms"
    else:
        answer.summary = "no query was logged in this window"
        answer.notes.append(
            "nothing ran, or query logging was off, or the log was cleared; it is written every few seconds, so the last moments may be missing"
        )


def _judge_running(queries: list[RunningQuery], context: Context) -> list[Signal]:
    limits = context.settings.thresholds
    found: list[Signal] = []
    for query in queries:
        subject = f"ch/{query.host}/{query.query_id}"
        if query.elapsed_s >= limits["long_query_s"]:
            detail = f"{query.kind or 'a query'} of {query.user} has been running for {span_of(query.elapsed_s)}, {number_of(query.read_rows)} rows read"
            found.append(
                signal(
                    "ch.long_query", subject, detail, value=query.elapsed_s, threshold=limits["long_query_s"], unit="s"
                )
            )
        if query.memory_bytes >= limits["hog_bytes"]:
            detail = f"{query.kind or 'a query'} of {query.user} holds {size_of(query.memory_bytes)}"
            found.append(
                signal(
                    "ch.memory_hog",
                    subject,
                    detail,
                    value=query.memory_bytes,
                    threshold=limits["hog_bytes"],
                    unit="bytes",
                )
            )
    return found
