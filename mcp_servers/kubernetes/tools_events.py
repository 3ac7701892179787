"""`get_events`: what the cluster itself noted, grouped, with the workload each line belongs to."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Page, Signal, ToolFailure, ok
from mcp_servers.common.templates import template
from mcp_servers.common.timerange import Range, parse_range
from mcp_servers.common.untrusted import clean
from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.context import Context
from mcp_servers.kubernetes.event_signals import CODES, event_signal
from mcp_servers.kubernetes.kinds import OPTIONAL_NAMESPACE
from mcp_servers.kubernetes.objects import Json
from mcp_servers.kubernetes.pod_view import EventOut, event_row
from mcp_servers.kubernetes.quantities import iso, seconds_since, span

DESCRIPTION = (
    "Events of the last hour (the cluster keeps no more), grouped by object, reason and message, warnings first. `object` is Kind/name, "
    "for example Pod/checkout-x or Node/worker-1. Signals say what an event means."
)


class Events(Envelope):
    """The answer of `get_events`. ``events_read`` counts what lies in the window."""

    events_read: int
    events: list[EventOut] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def get_events(
        namespace: Annotated[str, Field(pattern=OPTIONAL_NAMESPACE)] = "",
        object: Annotated[str, Field(pattern=r"^([A-Za-z]{1,63}/[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?)?$")] = "",
        time_range: Annotated[str, Field(max_length=100)] = "1h",
        warnings_only: bool = True,
        limit: Annotated[int, Field(ge=1, le=60)] = 20,
    ) -> Annotated[CallToolResult, Events]:
        window = parse_range(time_range, context.clock(), timedelta(hours=24))
        cluster = await context.cluster()
        kind, _, called = object.partition("/")
        selectors = [f"involvedObject.kind={kind}", f"involvedObject.name={called}"] if called else []
        listing = await cluster.list("Event", namespace, fields=",".join(selectors))
        seen = [e for e in listing.items if window.holds(o.event_time(e))]
        wanted = [e for e in seen if not warnings_only or o.text(e, "type") == "Warning"]
        answer = _grouped(wanted, window, limit)
        if not listing.complete:
            answer.notes.append(listing.note)
        if not wanted:
            answer.notes.append(_why_empty(listing.items, seen, object or namespace or "the cluster", context))
            if called and not listing.items:
                answer.notes += await _gone(context, kind, called, namespace)
        return ok(answer)

    return [strict.tool(get_events, "get_events", DESCRIPTION, CODES)]


def _grouped(events: Sequence[Json], window: Range, limit: int) -> Events:
    """Events of one owner, reason and template as one row."""
    groups: dict[tuple[str, str, str], list[Json]] = {}
    for event in events:
        about = _owner(event)
        message = o.text(event, "message").removeprefix("(combined from similar events): ")
        shape = template(message.replace(o.text(event, "involvedObject", "name"), "<name>"))
        groups.setdefault((about, o.text(event, "reason"), shape), []).append(event)
    rows = [event_row(same, about) for (about, _, _), same in groups.items()]
    rows.sort(key=lambda r: r.last, reverse=True)
    rows.sort(key=lambda r: (r.type != "Warning", r.reason == "Rebooted"))
    signals: dict[tuple[str, str, str], Signal] = {}
    for same in groups.values():
        found = event_signal(same)
        if found:
            signals.setdefault((found.code, found.owner or found.subject, found.reason), found)
    total = sum(r.count for r in rows)
    warnings = sum(r.count for r in rows if r.type == "Warning")
    top = f"; most recent warning: {rows[0].reason} on {rows[0].object}" if rows and rows[0].type == "Warning" else ""
    return Events(
        summary=f"{total} events in {len(rows)} groups, {warnings} of them warnings{top}",
        window=window.window(),
        signals=list(signals.values()),
        notes=list(window.notes),
        events_read=len(events),
        events=rows[:limit],
        page=Page(returned=min(limit, len(rows)), total=len(rows)) if len(rows) > limit else None,
        truncated=len(rows) > limit,
        untrusted=["events[].message"],
    )


def _owner(event: Json) -> str:
    """The object an event is grouped under: pods of one ReplicaSet say the same, and a pod's name tells its ReplicaSet."""
    kind = o.text(event, "involvedObject", "kind")
    space, called = o.text(event, "involvedObject", "namespace"), o.text(event, "involvedObject", "name")
    if kind == "Pod" and called.count("-") >= 2:
        replica_set = called.rpartition("-")[0]
        if deployment := o.deployment_of_pod(called):
            return o.ref("Deployment", space, deployment)
        return (
            o.ref("Pod", space, f"{replica_set}-*")
            if replica_set.rpartition("-")[2].isdigit()
            else o.ref("Pod", space, called)
        )
    return o.ref(kind, space, called)


def _why_empty(everything: Sequence[Json], seen: Sequence[Json], where: str, context: Context) -> str:
    if seen:
        return f"{len(seen)} events about {where} in this window, all of them normal; warnings_only=false shows them"
    if everything:
        newest = max((t for e in everything if (t := o.event_time(e))), default=None)
        ago = span(seconds_since(newest, context.clock()))
        return f"no event about {where} in this window; the newest is from {iso(newest)}, {ago} ago"
    return f"no event about {where}: the cluster keeps them for about one hour, and none was written since"


async def _gone(context: Context, kind: str, called: str, namespace: str) -> list[str]:
    """Whether the object exists at all, where that can be asked."""
    cluster = await context.cluster()
    try:
        there = await cluster.find(kind, called, namespace)
    except ToolFailure:
        return []  # a kind that is not readable, or no namespace given: nothing can be added
    return (
        []
        if there is not None
        else [clean(f"{kind} {called} does not exist{' in ' + namespace if namespace else ''}", 200)]
    )
