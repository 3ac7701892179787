"""`get_running_queries`: what takes the server's time right now."""

from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.clickhouse import query_statements as q
from mcp_servers.clickhouse.context import Context
from mcp_servers.clickhouse.merging import Row
from mcp_servers.clickhouse.reading import Reading, number_of, real, size_of, span_of, whole
from mcp_servers.clickhouse.texts import shape
from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, Page, Signal, ok
from mcp_servers.common.signals import signal
from mcp_servers.common.untrusted import clean

SIGNALS = ("ch.long_query", "ch.memory_hog")
DESCRIPTION = (
    "Queries that run right now, the longest first, with age, memory and rows read. Waiting and blocking "
    "ones stand out by their age."
)


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


def tools(context: Context) -> list[Tool]:
    async def get_running_queries(
        min_secs: Annotated[float, Field(ge=0, le=86_400)] = 1,
        limit: Annotated[int, Field(ge=1, le=20)] = 15,
    ) -> Annotated[CallToolResult, RunningQueries]:
        reading = Reading(await context.database())
        rows = await reading.must(q.RUNNING, {"min_s": min_secs, "limit": limit + 1})
        answer = RunningQueries(summary="", untrusted=["queries[].sql"])
        answer.queries = [running_query(row) for row in rows[:limit]]
        if len(rows) > limit:
            answer.truncated, answer.page = True, Page(returned=limit, total=len(rows), total_is_lower_bound=True)
        if rows:
            oldest = answer.queries[0]
            memory = sum(query.memory_bytes for query in answer.queries)
            more = "more than " if answer.truncated else ""
            answer.summary = (
                f"{more}{len(answer.queries)} queries run for {min_secs:g} s or more, the longest for "
                f"{span_of(oldest.elapsed_s)}; {size_of(memory)} of memory"
            )
        else:
            counted = await reading.one(q.RUNNING_COUNT)
            others = sum(whole(row["n"]) for row in counted)
            answer.summary = f"no query runs for {min_secs:g} s or more; {others} shorter ones run now"
            answer.notes.append(
                "another user's queries are seen only with SELECT on system.processes; `health` tells whether this user has it"
            )
        answer.signals = _judge(answer.queries, context)
        reading.into(answer)
        return ok(answer)

    return [strict.tool(get_running_queries, "get_running_queries", DESCRIPTION, SIGNALS)]


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


def _judge(queries: list[RunningQuery], context: Context) -> list[Signal]:
    limits = context.settings.thresholds
    found: list[Signal] = []
    for query in queries:
        subject = f"ch/{query.host}/{query.query_id}"
        if query.elapsed_s >= limits["long_query_s"]:
            detail = (
                f"{query.kind or 'a query'} of {query.user} has been running for {span_of(query.elapsed_s)}, "
                f"{number_of(query.read_rows)} rows read"
            )
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
