"""`get_exceptions`: which recorded exceptions are new or more frequent."""

import asyncio
from collections.abc import Callable
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
from mcp_servers.signoz.client import Row
from mcp_servers.signoz.context import Context
from mcp_servers.signoz.reading import ALERT_AT, SERVICE, name, number, subject
from mcp_servers.signoz.windows import Windows, iso, windows
from mcp_servers.signoz.windows_compare import CALLS_MIN, CHANCE, by_chance

SIGNALS = ("exc.new", "exc.spike")
DESCRIPTION = (
    "Exceptions recorded on spans, grouped by service and type, against the time before: new and more frequent ones first, with message, "
    "first application frames and an example trace id."
)
SPIKE_TIMES, COUNT_MIN, FRAMES = 3.0, 3, 5
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
        source = await context.source()
        asked = parse_range(time_range, context.clock())
        both = await windows(source, asked, alert_at)
        read, rates = await asyncio.gather(source.exceptions(both, service), source.service_rates(both, service))
        rows, times = read.rows, _times(rates.rows, both)
        answer = Exceptions(
            summary=f"{sum(int(number(r['n'])) for r in rows)} exceptions of {len(rows)} kinds",
            window=asked.window(),
            notes=[*asked.notes, *both.notes, *read.notes],
            exceptions=[_row(r, both) for r in rows[:limit]],
            untrusted=["exceptions[].message", "exceptions[].frames", "exceptions[].type"],
        )
        for row in rows if both.compared else []:
            now, before, more = number(row["n"]), number(row["base_n"]), times(str(row["service"]))
            if (
                now < COUNT_MIN
                or now < SPIKE_TIMES * before * more
                or by_chance(now, before, more / (1 + more)) >= CHANCE
            ):
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


def _times(rates: list[Row], both: Windows) -> Callable[[str], float]:
    """How many times as much as in the baseline is to be expected of a service: as the time passed, and as its requests became more."""
    passed = both.cur_s / both.base_s if both.compared else 1.0
    load = {
        str(r["service"]): number(r["calls"]) / number(r["base_calls"])
        for r in rates
        if number(r["base_calls"]) >= CALLS_MIN
    }
    return lambda service: max(passed, load.get(service, 0.0))


def _message(row: Row) -> str:
    # Cleaned first: a mask inside of an escape sequence would keep it from being taken out, and a secret behind it from being seen.
    return clean(template(clean(row["message"], 600)), 200)


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
    whole = clean(
        stack, 8000, multiline=True
    )  # before it is cut into lines: a key that spans several would not be known in one
    lines = [line.strip() for line in whole.splitlines()[1:] if line.strip()]
    own = [line for line in lines if not any(part in line for part in _FOREIGN)]
    return [clean(line, 160) for line in own[:FRAMES]]
