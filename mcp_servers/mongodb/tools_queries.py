"""`get_query_performance`: which kinds of operations were slow, and why: plan, documents read, sorts, locks."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Page, ToolFailure, ok
from mcp_servers.common.timerange import Range, parse_range
from mcp_servers.mongodb import slow_groups as g
from mcp_servers.mongodb.atlas_page import AtlasSlow, slow_of_atlas
from mcp_servers.mongodb.client import Member, Topology
from mcp_servers.mongodb.context import Context
from mcp_servers.mongodb.namespaces import OPTIONAL, parts
from mcp_servers.mongodb.reading import Reading, iso, whole
from mcp_servers.mongodb.slow import PROFILE_ROWS, SlowOp, read_log, read_profile

DESCRIPTION = (
    "Slow MongoDB operations in a window, grouped by shape (field names, no literals): count, p50/p95/max ms, plan, documents examined "
    "for one returned, sorts, lock waits, applications. From member logs, the profiler where it is on, and Atlas. `namespace`: `db` or "
    "`db.collection`."
)
_MOST_DATABASES = 20
_FIELDS = (
    "ts",
    "op",
    "ns",
    "command",
    "millis",
    "nreturned",
    "nMatched",
    "nModified",
    "ndeleted",
    "docsExamined",
    "keysExamined",
    "hasSortStage",
    "planSummary",
    "planningTimeMicros",
    "locks",
    "writeConflicts",
    "appName",
    "queryHash",
    "planCacheShapeHash",
    "originatingCommand",
)


class QueryPerformance(Envelope):
    """``sources`` says what was read: "log of host:port", "profile of host:port/db"."""

    groups: list[g.SlowGroup]
    sources: list[str]
    total: int


@dataclass
class _Found:
    ops: list[SlowOp] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    covered_from: datetime | None = None
    profiled: int = 0
    databases: set[str] = field(default_factory=set)

    def add(self, more: AtlasSlow, window: Range) -> None:
        """Put Atlas' operations beside these: one that stands in both counts once, and a profile alone speaks for its database."""
        if more.complete:  # the whole window is known, however short the members' own memory is
            self.covered_from = window.start
        same = {_key(o) for o in self.ops}
        self.ops += [o for o in more.ops if _key(o) not in same and parts(o.ns)[0] not in self.databases]
        self.sources += more.sources
        self.notes += more.notes


def _key(op: SlowOp) -> tuple[datetime, str, str, str, float]:
    return op.at, op.ns, op.op, op.shape, op.ms


def tools(context: Context) -> list[Tool]:
    async def get_query_performance(
        time_range: Annotated[str, Field(max_length=100)] = "1h",
        namespace: Annotated[str, Field(pattern=OPTIONAL, description="empty: all")] = "",
        min_ms: Annotated[int, Field(ge=0, le=600_000)] = 100,
        limit: Annotated[int, Field(ge=1, le=25)] = 10,
    ) -> Annotated[CallToolResult, QueryPerformance]:
        window = parse_range(time_range, context.clock(), timedelta(hours=24))
        reading = Reading()
        topology = await context.members(reading)
        found, more = await asyncio.gather(
            _collect(topology, window, namespace, min_ms, reading),
            slow_of_atlas(context, window, namespace, min_ms, reading),
        )
        if topology is None and not more.sources:
            raise ToolFailure(**next(iter(reading.missing.values())).model_dump())
        found.add(more, window)
        ops = [o for o in found.ops if window.holds(o.at) and o.ms >= min_ms and _within(o.ns, namespace)]
        groups, limits = g.grouped(ops), context.settings.thresholds
        signals = [s for group in groups for s in g.group_signals(group, limits)]
        signals += g.spike(ops, window, found.covered_from, limits)
        answer = QueryPerformance(
            summary=_summary(groups, len(ops)),
            window=window.window(),
            signals=signals,
            groups=groups[:limit],
            sources=found.sources,
            total=len(ops),
            partial=topology.gaps() if topology else [],
            notes=[*window.notes, *(topology.notes() if topology else []), *found.notes],
            page=Page(returned=min(limit, len(groups)), total=len(groups)),
            untrusted=["groups[].app_names", "groups[].shape"],
        )
        if ops and all(o.docs is None for o in ops):
            answer.notes.append("the sources tell no plans and no examined documents: scans cannot be judged")
        if not ops:
            answer.notes.append(_why_empty(found, min_ms, namespace))
        reading.into(answer)
        return ok(answer)

    return [strict.tool(get_query_performance, "get_query_performance", DESCRIPTION, g.CODES)]


def _within(ns: str, namespace: str) -> bool:
    return not namespace or ns == namespace or ns.startswith(f"{namespace}.")


async def _collect(topology: Topology | None, window: Range, namespace: str, min_ms: int, reading: Reading) -> _Found:
    found = _Found()
    if topology is None:
        return found
    each = await asyncio.gather(*(_of_member(m, window, namespace, min_ms, reading) for m in topology.data))
    for one in each:
        found.ops += one.ops
        found.sources += one.sources
        found.notes += one.notes
        found.profiled += one.profiled
        found.databases |= one.databases
    starts = [one.covered_from for one in each]
    known = [s for s in starts if s is not None]
    # the spike is judged over all members, so the shortest memory counts
    found.covered_from = max(known) if known and len(known) == len(starts) else None
    return found


async def _of_member(member: Member, window: Range, namespace: str, min_ms: int, reading: Reading) -> _Found:
    found = _Found()
    nothing: dict[str, Any] = {}
    log, profile = await asyncio.gather(
        reading.of(f"log of {member.label}", member.ask({"getLog": "global"}), nothing),
        _profiles(member, window, namespace, min_ms, reading),
    )
    read = read_log(log.get("log") or [], member.label)
    if log:
        found.sources.append(f"log of {member.label}")
        found.covered_from = read.oldest
        if read.unreadable and not read.ops and read.oldest is None:
            found.notes.append(
                f"the log of {member.label} is not in MongoDB's JSON format: it tells no slow operations"
            )
        elif read.oldest is not None and read.oldest > window.start:
            found.notes.append(f"the log ring of {member.label} goes back to {iso(read.oldest)} only")
    # one operation stands in both where the profiler is on, so the profile alone speaks for its databases
    databases = {name for name, _ in profile}
    found.ops = [o for o in read.ops if parts(o.ns)[0] not in databases]
    for name, rows in profile:
        found.ops += read_profile(rows, member.label)
        found.sources.append(f"profile of {member.label}/{name}")
        if len(rows) >= PROFILE_ROWS:
            found.notes.append(
                f"the profile of {member.label}/{name} has more than the newest {PROFILE_ROWS} rows that were read"
            )
    found.profiled, found.databases = len(profile), databases
    return found


async def _profiles(
    member: Member, window: Range, namespace: str, min_ms: int, reading: Reading
) -> list[tuple[str, list[dict[str, Any]]]]:
    """The rows of each database whose profiler is on; the profiler is never switched."""
    if member.role == "mongos":
        return []
    nothing: dict[str, Any] = {}
    if namespace:
        names = [parts(namespace)[0]]
    else:
        reply = await reading.of(
            f"databases of {member.label}", member.ask({"listDatabases": 1, "nameOnly": True}), nothing
        )
        names = [str(d.get("name")) for d in reply.get("databases") or []]
        names = [n for n in names if n not in ("admin", "local", "config")][:_MOST_DATABASES]

    async def one(name: str) -> tuple[str, list[dict[str, Any]]] | None:
        level = await reading.of(f"profiler of {member.label}/{name}", _level(member, name), 0)
        if not level:
            return None
        rows = await reading.of(
            f"profile of {member.label}/{name}", member.rows(_rows(window, namespace, min_ms), name), None
        )
        return None if rows is None else (name, rows)

    read = await asyncio.gather(*(one(name) for name in names))
    return [r for r in read if r is not None]


async def _level(member: Member, database: str) -> int:
    try:
        return whole(await member.ask({"profile": -1}, database), "was") or 0
    except ToolFailure as failure:
        if failure.info.code in ("UNSUPPORTED", "NOT_FOUND"):
            return 0
        raise


def _rows(window: Range, namespace: str, min_ms: int) -> dict[str, Any]:
    condition: dict[str, Any] = {"ts": {"$gte": window.start, "$lte": window.end}, "millis": {"$gte": min_ms}}
    if parts(namespace)[1]:
        condition["ns"] = namespace
    return {
        "find": "system.profile",
        "filter": condition,
        "projection": {"_id": 0, **dict.fromkeys(_FIELDS, 1)},
        "sort": {"$natural": -1},
        "limit": PROFILE_ROWS,
        "batchSize": PROFILE_ROWS,
        "singleBatch": True,
    }


def _why_empty(found: _Found, min_ms: int, namespace: str) -> str:
    where = f" on {namespace}" if namespace else ""
    if not found.sources:
        return "no log and no profile could be read, so slow operations are unknown"
    profiler = (
        ""
        if found.profiled
        else "; the profiler is off, and the log holds only what is slower than slowOpThresholdMs (100 ms unless changed)"
    )
    other = [o for o in found.ops if o.ms >= min_ms]
    if other:
        names = ", ".join(sorted({o.ns for o in other})[:3])
        return f"no operation of {min_ms} ms or more{where} in this window; there were {len(other)} outside of it, on {names}"
    return f"no operation of {min_ms} ms or more{where} was recorded{profiler}"


def _summary(groups: list[g.SlowGroup], total: int) -> str:
    if not groups:
        return "0 slow operations found in this window"
    top = groups[0]
    reads = f", {top.scan_ratio:,.0f} documents read for one returned" if top.scan_ratio is not None else ""
    most = f"{top.op} on {top.ns}, {top.count} times, p95 {top.p95_ms:g} ms{reads}"
    return f"{total} slow operations in {len(groups)} shapes; most time: {most}"
