"""`get_failed_queries` and `get_schema_changes`: what the server refused, and who changed its schema, rights or settings before."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.clickhouse import query_statements as q
from mcp_servers.clickhouse.context import Context
from mcp_servers.clickhouse.merging import Row
from mcp_servers.clickhouse.querylog import Compare, activity, earlier, why_nothing, window_of
from mcp_servers.clickhouse.reading import Reading, hosts_of, iso, number_of, whole
from mcp_servers.clickhouse.texts import said, shape
from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, Page, Signal, ok
from mcp_servers.common.signals import signal
from mcp_servers.common.timerange import parse_range
from mcp_servers.common.untrusted import clean

# What an error code means for the server: signal and reason.
MEANS: Mapping[int, tuple[str, str]] = {
    241: ("ch.memory_limit", ""),
    159: ("ch.query_timeout", "ran_out"),
    160: ("ch.query_timeout", "estimated"),
    252: ("ch.too_many_parts", ""),
    202: ("ch.too_many_queries", ""),
    242: ("ch.readonly_replica", ""),
    319: ("ch.keeper", ""),
    225: ("ch.keeper", ""),
    999: ("ch.keeper", ""),
    210: ("ch.network", "socket"),
    279: ("ch.network", "all_replicas"),
    243: ("ch.disk_full", "refused"),
    60: ("ch.schema_mismatch", "table"),
    47: ("ch.schema_mismatch", "column"),
    516: ("ch.auth", "password"),
    497: ("ch.auth", "grant"),
}
MOMENTS_S = 60  # how far apart the servers of a cluster log one statement
_ON_CLUSTER = re.compile(r"(?i)\s+ON\s+CLUSTER\s+\S+\s*")
FAILED_SIGNALS = tuple(dict.fromkeys(code for code, _ in MEANS.values()))
FAILED_TEXT = (
    "Queries that failed in a window, by error and user: how many, since when, which message and which shape of "
    "query. The error code tells memory "
    "limits, time-outs, too many parts, Keeper, network, disk, schema and rights apart. From system.query_log."
)
CHANGES_TEXT = (
    "Schema, rights and settings statements (CREATE, ALTER, DROP, RENAME, GRANT, ...) that ran in a window, the "
    "newest first, with user and table. "
    "Use it to see what changed before errors or slowness began."
)


class FailedQuery(Lean):
    """One error of one user. ``phase`` tells failures before the start from failures while running; ``count_before`` is of the window
    before, where that has queries at all; ``host`` is where most of them failed.
    """

    code: int
    name: str
    user: str
    count: int
    message: str
    count_before: int | None = None
    sql: str = ""
    phase: Literal["before_start", "running"] = "running"
    shapes: int = 0
    tables: list[str] = Field(default_factory=list)
    first_seen: str = ""
    last_seen: str = ""
    query_id: str = ""
    host: str = ""
    hosts: list[str] = Field(default_factory=list)


class FailedQueries(Envelope):
    """The answer of `get_failed_queries`."""

    failures: list[FailedQuery] = Field(default_factory=list)


class SchemaChange(Lean):
    """One statement that changed something. ``target`` is ``ch/database.table`` where it names one."""

    at: str
    kind: str
    what: str
    target: str = ""
    actor: str = ""
    tables: list[str] = Field(default_factory=list)
    query_id: str = ""
    host: str = ""
    hosts: list[str] = Field(default_factory=list)


class SchemaChanges(Envelope):
    """The answer of `get_schema_changes`. ``blind_spots`` say what such a log cannot show."""

    changes: list[SchemaChange] = Field(default_factory=list)
    blind_spots: list[str] = Field(default_factory=list)


BLIND_SPOTS = [
    "changes of the server's configuration files, and restarts, leave no statement",
    "ON CLUSTER statements are logged on the node that ran them; nodes that are not asked are not seen",
]


def tools(context: Context) -> list[Tool]:
    async def get_failed_queries(
        time_range: Annotated[str, Field(max_length=100)] = "1h",
        compare: Annotated[
            Compare, Field(description="the baseline: the window before, or a day or week earlier")
        ] = "previous",
        limit: Annotated[int, Field(ge=1, le=30)] = 10,
    ) -> Annotated[CallToolResult, FailedQueries]:
        span = parse_range(time_range, context.clock(), timedelta(days=7))
        reading = Reading(await context.database())
        rows = await reading.must(q.FAILED, {**window_of(span), "limit": reading.share(limit + 1)})
        answer = FailedQueries(
            summary="", window=span.window(), notes=list(span.notes), untrusted=["failures[].message", "failures[].sql"]
        )
        answer.failures = [failed_query(row) for row in rows[:limit]]
        if len(rows) > limit:
            answer.truncated, answer.page = True, Page(returned=limit, total=len(rows), total_is_lower_bound=True)
        if rows:
            await _set_against(reading, earlier(span, compare), answer)
            first = answer.failures[0]
            before = f", {first.count_before} before" if first.count_before is not None else ""
            answer.summary = (
                f"{'more than ' if answer.truncated else ''}{number_of(sum(f.count for f in answer.failures))} queries failed with "
                f"{len({f.code for f in answer.failures})} errors; most often {first.name} ({first.count} for "
                f"{first.user}{before}), last at {first.last_seen}"
            )
        else:
            seen = whole((await activity(reading, window_of(span)))["n"])
            answer.summary = f"no query failed; {number_of(seen)} were logged in this window"
            if not seen:
                answer.notes.append(await why_nothing(reading, window_of(span)))
        answer.signals = [s for f in answer.failures if (s := _judged(f))]
        reading.into(answer)
        return ok(answer)

    async def get_schema_changes(
        time_range: Annotated[str, Field(max_length=100)] = "24h",
        limit: Annotated[int, Field(ge=1, le=40)] = 15,
    ) -> Annotated[CallToolResult, SchemaChanges]:
        span = parse_range(time_range, context.clock(), timedelta(days=7))
        reading = Reading(await context.database())
        rows = await reading.must(q.CHANGES, {**window_of(span), "limit": reading.share(limit + 1)})
        rows = once(rows)
        answer = SchemaChanges(
            summary="",
            window=span.window(),
            notes=list(span.notes),
            untrusted=["changes[].what"],
            blind_spots=list(BLIND_SPOTS),
        )
        answer.changes = [schema_change(row) for row in rows[:limit]]
        if len(rows) > limit:
            answer.truncated, answer.page = True, Page(returned=limit, total=len(rows), total_is_lower_bound=True)
        if rows:
            newest = answer.changes[0]
            more = "more than " if answer.truncated else ""
            answer.summary = (
                f"{more}{len(answer.changes)} statements changed schema, rights or settings; the "
                f"newest: {newest.what[:100]} at {newest.at} by {newest.actor}"
            )
        else:
            seen = whole((await activity(reading, window_of(span)))["n"])
            answer.summary = (
                f"no statement changed schema, rights or settings; {number_of(seen)} queries were logged in this window"
            )
            if not seen:
                answer.notes.append(
                    f"that no change is seen proves nothing: {await why_nothing(reading, window_of(span))}"
                )
            elif reading.missed:
                answer.notes.append("a server is missing here, so that no change is seen proves nothing")
            else:
                answer.signals.append(signal("change.none_found", "ch", answer.summary))
        reading.into(answer)
        return ok(answer)

    return [
        strict.tool(get_failed_queries, "get_failed_queries", FAILED_TEXT, FAILED_SIGNALS),
        strict.tool(get_schema_changes, "get_schema_changes", CHANGES_TEXT, ("change.none_found",)),
    ]


def failed_query(row: Row) -> FailedQuery:
    code = whole(row["code"])
    return FailedQuery(
        code=code,
        name=clean(row["name"], 60) or str(code),
        user=clean(row["user"], 60),
        count=whole(row["n"]),
        shapes=whole(row.get("shapes")),
        phase="before_start" if "BeforeStart" in str(row.get("phase")) else "running",
        tables=[clean(name, 120) for name in row.get("table_names") or []],
        first_seen=iso(row.get("first")),
        last_seen=iso(row.get("last")),
        query_id=clean(row.get("query_id"), 60),
        host=clean(row.get("host"), 100),
        hosts=hosts_of(row),
        message=said(row.get("message"), code),
        sql=shape(row.get("sql")),
    )


def schema_change(row: Row) -> SchemaChange:
    tables = [clean(name, 120) for name in row.get("table_names") or []]
    return SchemaChange(
        at=iso(row["at"]),
        kind=clean(row["kind"], 20).lower(),
        what=shape(row["sql"], 200),
        target=f"ch/{tables[0]}" if tables else "",
        actor=clean(row.get("user"), 60),
        tables=tables,
        query_id=clean(row.get("query_id"), 60),
        host=clean(row.get("host"), 100),
        hosts=hosts_of(row),
    )


def once(rows: list[Row]) -> list[Row]:
    """``rows``, the newest first, with a statement that ran ON CLUSTER counted once: every server logs it, within moments, under its own
    name.
    """
    kept: list[Row] = []
    for row in sorted(rows, key=lambda r: whole(r["at"])):
        what = (row["kind"], _ON_CLUSTER.sub(" ", shape(row["sql"])), tuple(row.get("table_names") or ()))
        same = next(
            (k for k in reversed(kept) if k["what"] == what and row.get("host") not in k["hosts"]
             and whole(row["at"]) - whole(k["at"]) <= MOMENTS_S),
            None,
        )  # fmt: skip
        if same is None:
            kept.append({**row, "what": what, "hosts": [row.get("host")]})
        else:
            same["hosts"].append(row.get("host"))
    return kept[::-1]


async def _set_against(reading: Reading, before: dict[str, int] | None, answer: FailedQueries) -> None:
    """How often each failed in the window before."""
    if before is None:
        return
    codes = sorted({failed.code for failed in answer.failures})
    found = await reading.one(q.FAILED_BEFORE, {**before, "codes": codes})
    if q.FAILED_BEFORE.name in reading.missing:
        return
    if not whole((await activity(reading, before))["n"]):
        answer.notes.append(
            f"nothing was logged from {iso(before['start'])} to {iso(before['end'])}: nothing to compare with"
        )
        return
    answer.notes.append(f"compared with {iso(before['start'])} to {iso(before['end'])}")
    known = {(whole(row["code"]), clean(row["user"], 60)): whole(row["n"]) for row in found}
    for failed in answer.failures:
        failed.count_before = known.get((failed.code, failed.user), 0)


def _judged(failed: FailedQuery) -> Signal | None:
    meaning = MEANS.get(failed.code)
    if meaning is None:
        return None
    code, reason = meaning
    detail = f"{failed.count} queries of {failed.user} failed with {failed.name}: {failed.message}"
    subject = f"ch/{failed.host}/{failed.tables[0]}" if failed.tables else f"ch/{failed.host}"
    return signal(
        code, subject, detail, reason=reason, count=failed.count, value=failed.count, baseline=failed.count_before, unit="queries",
        since=failed.first_seen or None,
    )  # fmt: skip
