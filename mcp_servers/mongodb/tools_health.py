"""`get_database_health`: one page about a deployment, with a judgement for everything on it."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Lean, ToolFailure, ok
from mcp_servers.common.untrusted import clean
from mcp_servers.mongodb import replication as r
from mcp_servers.mongodb import status as s
from mcp_servers.mongodb.atlas_page import AtlasCluster, AtlasPage, of_atlas
from mcp_servers.mongodb.client import Member, Topology
from mcp_servers.mongodb.context import NO_DRIVER, Context
from mcp_servers.mongodb.reading import Reading, whole
from mcp_servers.mongodb.sampling import sample
from mcp_servers.mongodb.shapes import label
from mcp_servers.mongodb.viewing import view

Json = dict[str, Any]
DESCRIPTION = (
    "One page about a MongoDB deployment: members, roles, lag, elections, latency, queues, tickets, cache, page faults, oplog window, "
    "flow control, disk, largest databases, version. Takes no arguments. Start here; signals say what is wrong on which member."
)
_DATABASES = 5


class Storage(Lean):
    database: str
    bytes: int


class DatabaseHealth(Envelope):
    """``members`` as they measure themselves, ``set`` as the set sees them; a number that is missing was not reported."""

    topology: str
    version: str
    feature_version: str = ""
    members: list[s.MemberHealth]
    set: r.SetView | None = None
    databases: list[Storage] = Field(default_factory=list)
    atlas: AtlasCluster | None = None


def tools(context: Context) -> list[Tool]:
    async def get_database_health() -> Annotated[CallToolResult, DatabaseHealth]:
        reading, now, limits = Reading(), context.clock(), context.settings.thresholds
        topology = await context.members(reading)
        atlas = await of_atlas(context, reading)
        if topology is None:
            return ok(_from_atlas(atlas, reading, now, limits))
        first = (topology.data or topology.members)[0]
        nothing: Json = {}
        samples, seen, sizes, feature, *disks = await asyncio.gather(
            sample(topology.data, reading),
            _view(topology, reading),
            reading.of("databases", first.ask({"listDatabases": 1}), nothing),
            reading.of("feature version", first.ask({"getParameter": 1, "featureCompatibilityVersion": 1}), nothing),
            *(_disk(m, reading) for m in topology.data),
        )
        full = {m.label: d for m, d in zip(topology.data, disks, strict=True)}
        rows, signals = [], []
        for taken in samples:
            member = taken.member
            row = s.member_health(
                member.label, member.role, taken.first, taken.second, taken.seconds, disk=full[member.label]
            )
            signals += s.health_signals(row, taken.first, taken.second, now, limits)
            if row.host in atlas.rows:
                row, more = atlas.complete(row, limits)
                signals += more
            rows.append(row)
        if atlas.rows:
            more_rows, more = atlas.others({m.label for m in topology.members}, topology.away, now, limits)
            rows += more_rows
            signals += more
        if seen is not None:
            signals += r.set_signals(seen, now, limits, topology.primary is not None)
        version = rows[0].version if rows else ""
        answer = DatabaseHealth(
            summary="",
            signals=signals,
            topology=topology.words,
            version=version,
            feature_version=clean((feature.get("featureCompatibilityVersion") or {}).get("version"), 20),
            members=rows,
            set=seen,
            databases=_databases(sizes),
            partial=topology.gaps(),
            notes=[*topology.notes(), *atlas.notes],
            untrusted=["set.members[].message"],
            atlas=atlas.cluster,
        )
        answer.notes += _notes(answer)
        reading.into(answer)
        head = f"{len(rows)} members of {topology.words} measured, {len(signals)} signals"
        answer.summary = f"{head}: {signals[0].detail}" if signals else f"{head}: nothing that was checked is wrong"
        return ok(answer)

    return [strict.tool(get_database_health, "get_database_health", DESCRIPTION, (*s.CODES, *r.CODES))]


def _from_atlas(atlas: AtlasPage, reading: Reading, now: datetime, limits: Mapping[str, float]) -> DatabaseHealth:
    """The page where only Atlas answers. Raises `ToolFailure` when it does not either."""
    if not atlas.rows:
        raise ToolFailure(**next(iter(reading.missing.values())).model_dump())
    rows = list(atlas.rows.values())
    signals = atlas.signals(now, limits)
    answer = DatabaseHealth(
        summary="",
        signals=signals,
        topology=atlas.words,
        version=rows[0].version,
        members=rows,
        notes=[NO_DRIVER]
        if "members" not in reading.missing
        else ["no member could be reached; this is what Atlas measures"],
        atlas=atlas.cluster,
    )
    answer.notes += _notes(
        answer, "values are the last of the past 15 minutes; an earlier peak is in get_atlas_metrics"
    )
    reading.into(answer)
    head = f"{len(rows)} members of {atlas.words} measured by Atlas, {len(signals)} signals"
    answer.summary = f"{head}: {signals[0].detail}" if signals else f"{head}: nothing that was checked is wrong"
    return answer


async def _view(topology: Topology, reading: Reading) -> r.SetView | None:
    if not topology.set_name:
        return None

    async def read() -> r.SetView | None:
        return await view(topology)

    return await reading.of("replication", read(), None)


async def _disk(member: Member, reading: Reading) -> Json:
    """The file system's size, which comes with the statistics of any database; a small one is asked for."""
    if member.role == "mongos":
        return {}
    try:
        return await member.ask({"dbStats": 1, "freeStorage": 0})
    except ToolFailure as failure:
        if failure.info.code not in ("NOT_FOUND", "UNSUPPORTED"):
            reading.missing.setdefault(f"disk of {member.label}", failure.info)
        return {}


def _databases(reply: Json) -> list[Storage]:
    rows = [(label(d.get("name"), 70), whole(d, "sizeOnDisk") or 0) for d in reply.get("databases") or []]
    rows.sort(key=lambda d: (-d[1], d[0]))
    return [Storage(database=name, bytes=size) for name, size in rows[:_DATABASES]]


_SHORT = "rates and latencies are of one second; an earlier peak is not seen here"


def _notes(answer: DatabaseHealth, calm: str = _SHORT) -> list[str]:
    notes = [
        f"{row.host} does not report: {', '.join(row.unreported)}; these were not judged"
        for row in answer.members
        if row.unreported
    ]
    version, feature = answer.version.split("."), answer.feature_version
    if feature and len(version) > 1 and not f"{feature}.".startswith(f"{version[0]}."):
        notes.append(f"the feature version is {feature} on server {answer.version}: an upgrade was not finished")
    versions = {r.version for r in answer.members if r.version}
    if len(versions) > 1:
        notes.append(f"members run different versions: {', '.join(sorted(versions))}")
    if not answer.signals:
        notes.append(calm)
    return notes
