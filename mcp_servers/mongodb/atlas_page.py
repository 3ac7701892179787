"""What Atlas adds to the tools of the driver: the same rows from its measurements, and the history that members do not keep.

Each function gives an empty part where Atlas is not configured, and notes in ``reading`` why it could not answer where it is: Atlas being
away never costs what the members say.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field

from mcp_servers.common.envelope import Lean, Signal
from mcp_servers.common.timerange import Range
from mcp_servers.common.untrusted import clean
from mcp_servers.mongodb import atlas_health as h
from mcp_servers.mongodb import atlas_series as s
from mcp_servers.mongodb.atlas_changes import alert_of
from mcp_servers.mongodb.atlas_client import Atlas
from mcp_servers.mongodb.connections import MemberConnections, member_row, member_signals
from mcp_servers.mongodb.context import NO_ATLAS, Context
from mcp_servers.mongodb.reading import Reading, number
from mcp_servers.mongodb.shapes import label
from mcp_servers.mongodb.slow import SlowOp, read_log
from mcp_servers.mongodb.status import MemberHealth, health_signals

Json = dict[str, Any]
_RECENT = timedelta(minutes=15)
_LINES = 200  # of each process; Atlas' own default is 20,000


class AtlasCluster(Lean):
    """``state`` is Atlas' word: IDLE, UPDATING, REPAIRING."""

    name: str
    tier: str = ""
    state: str = ""
    paused: bool | None = None
    version: str = ""
    disk_gb: float | None = None
    open_alerts: list[str] = Field(default_factory=list)


@dataclass
class AtlasPage:
    """Rows by the host's label; empty where Atlas is not asked."""

    rows: dict[str, MemberHealth] = field(default_factory=dict)
    measured: dict[str, s.Measured] = field(default_factory=dict)
    cluster: AtlasCluster | None = None
    words: str = ""
    notes: list[str] = field(default_factory=list)

    def signals(self, now: datetime, limits: Mapping[str, float]) -> list[Signal]:
        return [x for host, row in self.rows.items() for x in h.row_signals(row, self.measured[host], now, limits)]

    def complete(self, row: MemberHealth, limits: Mapping[str, float]) -> tuple[MemberHealth, list[Signal]]:
        """``row`` with what only Atlas tells, and what is wrong with just that."""
        whole = h.completed(row, self.rows[row.host])
        filled = {h.JUDGED[u] for u in row.unreported if u in h.JUDGED}
        first, second = h.pair(self.measured[row.host])
        now = datetime.max.replace(tzinfo=UTC)  # matters to a restart alone, which is never Atlas' to tell
        return whole, [x for x in health_signals(whole, first, second, now, limits) if x.code in filled]

    def others(
        self, asked: Collection[str], away: Collection[str], now: datetime, limits: Mapping[str, float]
    ) -> tuple[list[MemberHealth], list[Signal]]:
        """The members that did not answer themselves (``away``) as Atlas measured them.

        Rows of neither are the same members under other names (a private endpoint's, say): they are noted, not shown twice.
        """
        rows = [row for host, row in self.rows.items() if host in away]
        unknown = [host for host in self.rows if host not in asked and host not in away]
        if unknown:
            self.notes.append(
                f"Atlas knows members under other names ({', '.join(unknown[:3])}): its figures could not be put beside theirs; "
                "get_atlas_metrics has them"
            )
        if rows:
            self.notes.append(f"{', '.join(r.host for r in rows)}: did not answer, so this is what Atlas measured")
        return rows, [x for row in rows for x in h.row_signals(row, self.measured[row.host], now, limits)]


async def _atlas(context: Context, reading: Reading) -> Atlas | None:
    return await reading.of("Atlas", context.atlas(), None) if context.settings.atlas else None


async def of_atlas(context: Context, reading: Reading) -> AtlasPage:
    """The members' health as Atlas measures it now."""
    atlas, page = await _atlas(context, reading), AtlasPage()
    if atlas is None:
        page.notes = [] if context.settings.atlas else [NO_ATLAS]
        return page
    now = context.clock()
    found, page.cluster = await asyncio.gather(
        reading.of("Atlas processes", s.processes(atlas), []), _cluster(atlas, reading)
    )
    data = [p for p in found if p.role != "arbiter"]
    window = Range(now - _RECENT, now)
    measured = await s.everywhere(atlas, data, h.HEALTH_METRICS, window, "PT1M", reading)
    unknown = sorted({u for m in measured for u in m.unknown})
    if unknown:
        page.notes.append(f"Atlas does not know {', '.join(unknown)}; left out")
    for process, one in zip(data, measured, strict=True):
        page.rows[process.label] = h.row_of(process, one)
        page.measured[process.label] = one
    names = sorted({p.set_name for p in found if p.set_name})
    sharded = any(p.role == "mongos" for p in found)
    page.words = "sharded cluster" if sharded else f"replica set {names[0]}" if names else "deployment in Atlas"
    return page


async def _cluster(atlas: Atlas, reading: Reading) -> AtlasCluster | None:
    name = atlas.atlas.cluster
    if not name:
        return None
    nothing: Json = {}
    told, alerts = await asyncio.gather(
        reading.of("Atlas cluster", atlas.group(f"/clusters/{name}"), nothing),
        reading.of("Atlas alerts", atlas.rows("/alerts", [("status", "OPEN"), ("itemsPerPage", "100")]), []),
    )
    raised = [a for row in alerts if (a := alert_of(row, name)) is not None]
    spec = next(
        (r for g in told.get("replicationSpecs") or [] for r in (g.get("regionConfigs") or []) if isinstance(r, dict)),
        {},
    )
    paused = told.get("paused")
    return AtlasCluster(
        name=name,
        tier=label((spec.get("electableSpecs") or {}).get("instanceSize"), 20),
        state=label(told.get("stateName"), 30),
        paused=paused if isinstance(paused, bool) else None,
        version=clean(told.get("mongoDBVersion"), 20),
        disk_gb=number(spec, "electableSpecs", "diskSizeGB") or number(told, "diskSizeGB"),
        open_alerts=sorted({f"{a.type} {a.metric}".strip() for a in raised})[:8],
    )


@dataclass
class History:
    """Connections over a window, a series and a row for each process."""

    series: list[s.Series] = field(default_factory=list)
    members: list[MemberConnections] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def history(context: Context, window: Range, reading: Reading) -> History:
    """How connections went, as Atlas counted them, and whether that looks like a leak."""
    atlas, past = await _atlas(context, reading), History()
    if atlas is None:
        past.notes = [] if context.settings.atlas else ["Atlas is not configured: there is no history of connections"]
        return past
    found = await reading.of("Atlas processes", s.processes(atlas), [])
    step, limits = s.granularity(window), context.settings.thresholds
    measured = await s.everywhere(atlas, found, h.CONNECTION_METRICS, window, step, reading)
    for process, one in zip(found, measured, strict=True):
        if not one.points.get("CONNECTIONS"):
            continue
        past.series.append(s.series("CONNECTIONS", process.label, one, window, step))
        first, second = h.pair(one)
        row = member_row(process.label, process.role, first, second, 60.0)
        past.members.append(row)
        past.signals += member_signals(row, first, second, 60.0, limits)
        told, words = h.leak(process.label, one, limits)
        past.signals += told
        past.notes += [words] if words else []
    if found and not past.series and "Atlas processes" not in reading.missing:
        past.notes.append("Atlas has no count of connections for this window")
    return past


@dataclass
class AtlasSlow:
    """Slow operations of Atlas' log collection; ``complete`` when every process told all that it holds of the window."""

    complete: bool = False
    ops: list[SlowOp] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


async def slow_of_atlas(context: Context, window: Range, namespace: str, min_ms: int, reading: Reading) -> AtlasSlow:
    """The slow operations that Atlas collected, each line at once a shape; at most `_LINES` of each process."""
    atlas, slow = await _atlas(context, reading), AtlasSlow()
    if atlas is None:
        return slow
    found = [
        p for p in await reading.of("Atlas processes", s.processes(atlas), []) if p.role not in ("arbiter", "mongos")
    ]
    since, length = int(window.start.timestamp() * 1000), int((window.end - window.start).total_seconds() * 1000)
    asked = [
        ("since", str(since)),
        ("duration", str(length)),
        ("nLogs", str(_LINES)),
        ("includeMetrics", "true"),
        ("includeOpType", "true"),
    ]
    if "." in namespace:
        asked.append(("namespaces", namespace))

    async def one(process: s.Process) -> list[Json] | None:
        path = f"/processes/{process.id}/performanceAdvisor/slowQueryLogs"
        read = atlas.group(path, asked)
        told = await reading.of(f"Atlas slow log of {process.label}", read, None)
        rows = (told or {}).get("slowQueries")
        return None if told is None else [r for r in rows if isinstance(r, dict)] if isinstance(rows, list) else []

    each = await asyncio.gather(*(one(p) for p in found))
    slow.complete = bool(found) and all(rows is not None and len(rows) < _LINES for rows in each)
    for process, rows in zip(found, each, strict=True):
        if rows is None:
            continue
        read = read_log([row.get("line") for row in rows], process.label)
        slow.ops += [o for o in read.ops if o.ms >= min_ms]
        slow.sources.append(f"Atlas slow log of {process.label}")
        if len(rows) >= _LINES:
            slow.notes.append(f"Atlas holds more than the {_LINES} slow operations of {process.label} that were read")
    return slow
