"""`get_atlas_activity`: what was changed in Atlas, what it raises alerts about, and which indexes it advises."""

import asyncio
from datetime import timedelta
from typing import Annotated, Any

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.change import SUSPECT, Change, onset_of
from mcp_servers.common.envelope import Envelope, Page, Signal, ToolFailure, ok
from mcp_servers.common.signals import signal
from mcp_servers.common.timerange import Range, parse_range
from mcp_servers.mongodb import atlas_changes as c
from mcp_servers.mongodb.atlas_client import Atlas
from mcp_servers.mongodb.context import Context
from mcp_servers.mongodb.reading import Reading, iso

DESCRIPTION = (
    "What happened to the MongoDB cluster in Atlas: changes (scale, configuration, version, failover, network and user lists) scored by "
    "closeness to the onset, Atlas' alerts, and indexes it advises. Needs Atlas."
)
CODES = ("change.before_onset", "change.none_found")
_EVENTS, _PAGES = 200, 3
_REASONS = {
    "scale": "scale",
    "autoscale": "scale",
    "db_config": "config",
    "network_policy": "config",
    "secret_meta": "config",
}


class AtlasActivity(Envelope):
    """``changes``: the most suspicious first. ``blind_spots``: what could not be seen, without which "nothing" proves nothing."""

    onset: str
    changes: list[Change]
    alerts: list[c.AtlasAlert] = Field(default_factory=list)
    suggested_indexes: list[c.SuggestedIndex] = Field(default_factory=list)
    blind_spots: list[str] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def get_atlas_activity(
        time_range: Annotated[str, Field(max_length=100)] = "24h",
        onset: Annotated[
            str, Field(max_length=40, description="when the symptom began, ISO 8601; empty: the end of the range")
        ] = "",
        limit: Annotated[int, Field(ge=1, le=40)] = 15,
    ) -> Annotated[CallToolResult, AtlasActivity]:
        window = parse_range(time_range, context.clock(), timedelta(days=7))
        began = min(onset_of(onset, window.end), context.clock())
        atlas, reading = await context.atlas(), Reading()
        cluster = atlas.atlas.cluster
        nothing: dict[str, Any] = {}
        events, opened, closed, advice = await asyncio.gather(
            reading.of("events", _events(atlas, window), None),
            reading.of("open alerts", atlas.rows("/alerts", [("status", "OPEN"), ("itemsPerPage", "100")]), None),
            reading.of("closed alerts", atlas.rows("/alerts", [("status", "CLOSED"), ("itemsPerPage", "100")]), None),
            reading.of("suggested indexes", _advice(atlas), nothing),
        )
        if events is None and opened is None:
            raise ToolFailure(**reading.missing["events"].model_dump())
        found = c.changes_of(events[0] if events else [], cluster, began)
        raised = [a for row in [*(opened or []), *(closed or [])] if (a := c.alert_of(row, cluster)) is not None]
        alerts = [
            a for a in raised if a.status == "OPEN" or iso(window.start) <= (a.resolved or a.since) <= iso(window.end)
        ]
        alerts.sort(key=lambda a: (a.status != "OPEN", a.type, a.host, a.since))
        blind = ["changes by drivers and shells (indexes, collections, server parameters) are no Atlas events"]
        if events is None:
            blind.append("events could not be read")
        elif events[1]:
            blind.append(f"only the newest {_EVENTS * _PAGES} events of the window were read")
        if not cluster:
            blind.append("RCA_ATLAS_CLUSTER is not set: all clusters of the project, and no index advice")
        answer = AtlasActivity(
            summary="",
            window=window.window(),
            onset=iso(began),
            signals=_signals(found, cluster, events is not None),
            changes=found[:limit],
            alerts=alerts[:limit],
            suggested_indexes=c.indexes_of(advice),
            blind_spots=blind,
            notes=list(window.notes),
            page=Page(returned=min(limit, len(found)), total=len(found)),
            untrusted=["suggested_indexes[].index", "suggested_indexes[].ns"],
        )
        if not onset:
            answer.notes.append("no onset was given: closeness is measured to the end of the window")
        open_now = sum(a.status == "OPEN" for a in alerts)
        answer.summary = (
            f"{len(found)} changes in Atlas, {open_now} open alerts, {len(answer.suggested_indexes)} advised indexes"
        )
        if found:
            answer.summary += f"; nearest: {found[0].what} on {found[0].target} at {found[0].at}"
        reading.into(answer)
        return ok(answer)

    return [strict.tool(get_atlas_activity, "get_atlas_activity", DESCRIPTION, CODES)]


async def _events(atlas: Atlas, window: Range) -> tuple[list[dict[str, Any]], bool]:
    """The events of the window, the newest first, and whether there were more than are read."""
    found: list[dict[str, Any]] = []
    span = [("minDate", iso(window.start)), ("maxDate", iso(window.end)), ("itemsPerPage", str(_EVENTS))]
    for page in range(1, _PAGES + 1):
        rows = await atlas.rows("/events", [*span, ("pageNum", str(page))])
        found += rows
        if len(rows) < _EVENTS:
            return found, False
    return found, True


async def _advice(atlas: Atlas) -> dict[str, Any]:
    if not atlas.atlas.cluster:
        return {}
    return await atlas.group(
        f"/clusters/{atlas.atlas.cluster}/performanceAdvisor/suggestedIndexes", [("nIndexes", "5")]
    )


def _signals(found: list[Change], cluster: str, seen: bool) -> list[Signal]:
    told = [
        signal(
            "change.before_onset",
            f"mongo/{cluster or 'atlas'}",
            f"{change.what} on {change.target}, {change.minutes_before_onset:g} min before",
            reason=_REASONS.get(change.kind, "other"),
            value=change.score,
            threshold=SUSPECT,
            since=change.at,
        )
        for change in found
        if change.score >= SUSPECT and (change.minutes_before_onset or 0) >= -2
    ]
    if seen and not found:
        told.append(
            signal("change.none_found", f"mongo/{cluster or 'atlas'}", "no change of this cluster among Atlas' events")
        )
    return told
