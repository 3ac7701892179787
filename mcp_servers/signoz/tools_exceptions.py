"""`get_exceptions`: which recorded exceptions are new or more frequent."""

# ruff: noqa: S608, E501 (statements are constants over constants; values travel as typed parameters)

from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, ok
from mcp_servers.common.signals import signal
from mcp_servers.common.templates import template
from mcp_servers.common.timerange import parse_range
from mcp_servers.common.untrusted import clean
from mcp_servers.signoz.client import Query, Row
from mcp_servers.signoz.context import Context
from mcp_servers.signoz.reading import ALERT_AT, SERVICE, name, number, subject
from mcp_servers.signoz.sql import IS_BASE, IS_CURRENT
from mcp_servers.signoz.windows import Windows, iso, windows

SIGNALS = ("exc.new", "exc.spike")
DESCRIPTION = (
    "Exceptions recorded on spans, grouped by service and type, against the time before: new and more frequent ones first, with message, "
    "first application frames and an example trace id."
)
SPIKE_TIMES, COUNT_MIN, FRAMES = 3.0, 3, 5
EXCEPTIONS = Query(
    "exceptions",
    f"""SELECT serviceName AS service, exceptionType AS type, any(substring(exceptionMessage, 1, 600)) AS message,
 any(substring(exceptionStacktrace, 1, 4000)) AS stack, anyIf(toString(traceID), {IS_CURRENT}) AS trace, countIf({IS_CURRENT}) AS n, countIf({IS_BASE}) AS base_n,
 toUnixTimestamp(minIf(timestamp, {IS_CURRENT})) AS first, toUnixTimestamp(maxIf(timestamp, {IS_CURRENT})) AS last
 FROM signoz_traces.distributed_signoz_error_index_v2
 WHERE timestamp >= toDateTime64({{from_s:UInt64}}, 9) AND timestamp < toDateTime64({{to_s:UInt64}}, 9)
 AND ({{service:String}} = '' OR serviceName = {{service:String}})
 GROUP BY service, type HAVING n > 0 ORDER BY base_n = 0 DESC, n DESC LIMIT 200""",
)
_FOREIGN = (
    "site-packages",
    "node_modules",
    "java.base",
    "java.lang.",
    "java.util.",
    "sun.reflect",
    "org.springframework",
    "org.apache",
)


class ExceptionRow(Lean):
    """One service's exceptions of one type; ``message`` with what varies masked."""

    service: str
    type: str
    message: str
    count: int
    base_count: int = 0
    is_new: bool = False
    first: str
    last: str
    frames: list[str] = Field(default_factory=list)
    trace_id: str = ""


class Exceptions(Envelope):
    """``exceptions``: new ones first, then the most frequent."""

    exceptions: list[ExceptionRow]


def tools(context: Context) -> list[Tool]:
    async def get_exceptions(
        service: Annotated[str, Field(pattern=SERVICE, description="service.name; empty: all")] = "",
        time_range: Annotated[str, Field(max_length=100)] = "30m",
        alert_at: Annotated[str, Field(pattern=ALERT_AT, description="ISO time of the alert's start")] = "",
        limit: Annotated[int, Field(ge=1, le=30)] = 10,
    ) -> Annotated[CallToolResult, Exceptions]:
        store = await context.store()
        asked = parse_range(time_range, context.clock())
        both = await windows(store, asked, alert_at)
        rows = await store.rows(EXCEPTIONS, both.values | {"service": service})
        answer = Exceptions(
            summary=f"{sum(int(number(r['n'])) for r in rows)} exceptions of {len(rows)} kinds",
            window=asked.window(),
            notes=[*asked.notes, *both.notes],
            exceptions=[_row(r, both) for r in rows[:limit]],
            untrusted=["exceptions[].message", "exceptions[].frames", "exceptions[].type"],
        )
        for row in rows if both.compared else []:
            now, before = number(row["n"]) / both.cur_s, number(row["base_n"]) / both.base_s
            if number(row["n"]) < COUNT_MIN or (before and now < SPIKE_TIMES * before):
                continue
            detail = f"{name(row['type'], 80)} {number(row['n']):.0f} times, before {number(row['base_n']):.0f}: {_message(row)}"
            found = signal(
                "exc.spike" if before else "exc.new",
                subject(str(row["service"])),
                detail,
                since=iso(number(row["first"])),
            )
            answer.signals.append(found.model_copy(update={"count": int(number(row["n"]))}))
        if not rows:
            answer.notes.append("no span recorded an exception; services that only log theirs show them in query_logs")
        elif answer.signals:
            answer.summary += f"; {answer.signals[0].detail}"
        return ok(answer)

    return [strict.tool(get_exceptions, "get_exceptions", DESCRIPTION, SIGNALS)]


def _message(row: Row) -> str:
    return clean(template(str(row["message"])), 200)


def _row(row: Row, both: Windows) -> ExceptionRow:
    return ExceptionRow(
        service=name(row["service"]),
        type=name(row["type"]),
        message=_message(row),
        count=int(number(row["n"])),
        base_count=int(number(row["base_n"])),
        is_new=both.compared and not number(row["base_n"]),
        first=iso(number(row["first"])),
        last=iso(number(row["last"])),
        frames=frames(str(row["stack"])),
        trace_id=name(row["trace"], 32),
    )


def frames(stack: str) -> list[str]:
    """The first frames that belong to the application; library frames are left out."""
    lines = [line.strip() for line in stack.splitlines()[1:] if line.strip()]
    own = [line for line in lines if not any(part in line for part in _FOREIGN)]
    return [clean(line, 160) for line in own[:FRAMES]]
