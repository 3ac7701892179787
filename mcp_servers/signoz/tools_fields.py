"""`find_fields`: which keys, values and metrics exist, so that nobody has to guess a filter."""

from typing import Annotated, Literal

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, ok
from mcp_servers.common.timerange import parse_range
from mcp_servers.common.untrusted import clean
from mcp_servers.signoz.context import Context
from mcp_servers.signoz.reading import SERVICE, name

DESCRIPTION = (
    "Names to filter by: the keys of logs, traces or metrics (with where they live), the values of one key (values_of), or for metrics the "
    "metrics with type and unit that hold the search words. Ask it before writing a filter. search is plain text, not a pattern."
)
_KEY = r"^[A-Za-z0-9_.:/$-]{0,120}$"


class FieldOut(Lean):
    """A key, its context (resource, attribute, column, label) and in how many of the rows looked at it occurs."""

    key: str
    context: str
    type: str
    count: int


class ValueOut(Lean):
    """A value of the key asked for."""

    value: str
    count: int


class MetricOut(Lean):
    """A metric; ``series`` were reported in the window."""

    metric: str
    type: str
    unit: str = ""
    series: int = 0


class Fields(Envelope):
    """``fields`` and ``values``: the most frequent first; ``metrics`` by name."""

    fields: list[FieldOut] = Field(default_factory=list)
    values: list[ValueOut] = Field(default_factory=list)
    metrics: list[MetricOut] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def find_fields(  # noqa: PLR0917 (the arguments of the tool)
        signal: Literal["logs", "traces", "metrics"],
        search: Annotated[str, Field(max_length=100)] = "",
        values_of: Annotated[str, Field(pattern=_KEY, description="a key; its values are listed")] = "",
        service: Annotated[str, Field(pattern=SERVICE, description="service.name; empty: all")] = "",
        time_range: Annotated[str, Field(max_length=100)] = "1h",
        limit: Annotated[int, Field(ge=1, le=50)] = 20,
    ) -> Annotated[CallToolResult, Fields]:
        source = await context.source()
        asked = parse_range(time_range, context.clock())
        start, end = int(asked.start.timestamp()), int(asked.end.timestamp()) + 1
        answer = Fields(summary="", window=asked.window(), notes=list(asked.notes), untrusted=["values[].value"])
        about = f"{signal}{f' of {name(service)}' if service else ''}"
        # One more than is shown tells whether there are more.
        if values_of:
            found = await source.field_values(signal, values_of, search, service, start, end, limit + 1)
            answer.values = [ValueOut(value=clean(v.value, 120), count=v.count) for v in found[:limit]]
            more = len(found) > limit
            answer.summary = f"{_many(len(answer.values), more)} values of {name(values_of)} in {about}"
        else:
            keys = await source.field_keys(signal, search, service, start, end, limit + 1)
            answer.fields = [
                FieldOut(key=name(k.key), context=k.context, type=k.type, count=k.count) for k in keys[:limit]
            ]
            more = len(keys) > limit
            answer.summary = f"{_many(len(answer.fields), more)} keys in {about}"
            if signal == "metrics":
                metrics = await source.metric_names(search, service, start, end, limit + 1)
                answer.metrics = [
                    MetricOut(metric=name(m.name, 200), type=m.type, unit=name(m.unit, 30), series=m.series)
                    for m in metrics[:limit]
                ]
                more = more or len(metrics) > limit
                answer.summary = f"{_many(len(answer.metrics), len(metrics) > limit)} metrics, {answer.summary}"
        if more:
            answer.notes.append("there are more; a longer search or one service narrows them")
        if not (answer.fields or answer.values or answer.metrics):
            answer.notes.append(await _why_empty(context, signal, search, values_of, service, start, end))
        return ok(answer)

    return [strict.tool(find_fields, "find_fields", DESCRIPTION)]


def _many(count: int, more: bool) -> str:
    return f"more than {count}" if more else str(count)


async def _why_empty(  # noqa: PLR0917 (what was asked for)
    context: Context,
    kind: Literal["logs", "traces", "metrics"],
    search: str,
    key: str,
    service: str,
    start: int,
    end: int,
) -> str:
    source = await context.source()
    everything = await source.field_keys(kind, "", "", start, end, 50)
    if not everything:
        return f"no {kind} at all in this window: an ingestion gap, or the time is wrong"
    if service and not await source.field_keys(kind, "", service, start, end, 1):
        return f"service {name(service, 80)} has no {kind} in this window; the services are the values of service.name"
    if key and key not in {k.key for k in everything}:
        return (
            f"key {name(key, 80)} does not occur; frequent ones: {', '.join(name(k.key, 60) for k in everything[:6])}"
        )
    return f"nothing holds {name(search, 60)!r}; without search all are listed"
