"""Atlas' processes and their measurements, in our units and names, and as the ``serverStatus`` that the same judgement reads.

Atlas names a process by its own host and by an alias; the alias is what drivers connect to, so it is the one that is shown and that
signals speak of. The first point of a rate is null, and a gap is null too: neither is zero.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from math import isfinite
from typing import Any

from pydantic import Field

from mcp_servers.common.envelope import Lean, ToolFailure
from mcp_servers.common.timerange import Range
from mcp_servers.common.untrusted import clean
from mcp_servers.mongodb.atlas_client import Atlas, UnknownMetric
from mcp_servers.mongodb.reading import Reading, iso, number
from mcp_servers.mongodb.shapes import label

Json = dict[str, Any]
Point = tuple[datetime, float]
POINTS = 30
PROCESS_METRICS = (
    "CONNECTIONS",
    "SYSTEM_NORMALIZED_CPU_USER",
    "CACHE_FILL_RATIO",
    "TICKETS_AVAILABLE_READS",
    "TICKETS_AVAILABLE_WRITES",
    "QUERY_TARGETING_SCANNED_OBJECTS_PER_RETURNED",
    "OP_EXECUTION_TIME_READS",
    "OP_EXECUTION_TIME_WRITES",
    "OPLOG_SLAVE_LAG_MASTER_TIME",
)
DISK_METRICS = ("DISK_PARTITION_IOPS_TOTAL", "DISK_PARTITION_SPACE_PERCENT_FREE")
METRIC = r"^[A-Z][A-Z0-9_]{2,79}$"
_ID = re.compile(r"[A-Za-z0-9._-]{1,250}:\d{1,5}")
_PARTITION = re.compile(r"[A-Za-z0-9._-]{1,80}")
_STEPS = {"PT1M": 60, "PT5M": 300, "PT1H": 3_600}
_ROLES = {
    "REPLICA_PRIMARY": "primary",
    "SHARD_PRIMARY": "primary",
    "REPLICA_SECONDARY": "secondary",
    "SHARD_SECONDARY": "secondary",
    "REPLICA_ARBITER": "arbiter",
    "SHARD_MONGOS": "mongos",
    "SHARD_STANDALONE": "standalone",
    "STANDALONE": "standalone",
}


@dataclass(frozen=True)
class Process:
    """``id`` is what Atlas calls it, ``label`` what drivers do."""

    id: str
    label: str
    role: str
    version: str
    set_name: str


class Series(Lean):
    """One metric of one process. ``values`` are means over equal parts of the window, null where nothing was reported.

    ``unit``: bytes, ms, s, percent, per_s or "" for a count, as Atlas reports it.
    """

    metric: str
    host: str
    unit: str = ""
    first: float | None = None
    last: float | None = None
    min: float | None = None
    max: float | None = None
    avg: float | None = None
    values: list[float | None] = Field(default_factory=list)


@dataclass
class Measured:
    """Raw points by metric, in order of time, and their units."""

    points: dict[str, list[Point]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def last(self, metric: str) -> float | None:
        points = self.points.get(metric)
        return points[-1][1] if points else None

    def last_two(self, metric: str) -> tuple[float | None, float | None]:
        points = self.points.get(metric) or []
        return (points[-2][1], points[-1][1]) if len(points) > 1 else (None, self.last(metric))


async def processes(atlas: Atlas) -> list[Process]:
    """The processes of the cluster, or of the project where no cluster is set. Raises `ToolFailure`; NOT_FOUND names close ones."""
    rows = await atlas.rows("/processes", [("itemsPerPage", "100")])
    found, aliases = [], []
    wanted = atlas.atlas.cluster.lower()[:23]  # Atlas keeps that much of a cluster's name in its hosts
    for row in rows:
        name = str(row.get("id") or "")
        if not _ID.fullmatch(name):
            continue
        host, _, port = name.rpartition(":")
        alias = label(row.get("userAlias") or host, 200)
        aliases.append(re.split(r"-shard-|-config-|\.", alias)[0])
        if wanted and not re.match(rf"{re.escape(wanted)}(?:-shard-|-config-|-mongos-|\.)", alias.lower()):
            continue
        kind = _ROLES.get(str(row.get("typeName")), "other")
        version = clean(row.get("version"), 40)
        found.append(Process(name, f"{alias}:{port}", kind, version, label(row.get("replicaSetName"), 60)))
    if not found:
        close = get_close_matches(wanted, sorted(set(aliases)), 5, 0.3) if wanted else []
        raise ToolFailure(
            "NOT_FOUND",
            f"Atlas shows no process of {'cluster ' + atlas.atlas.cluster if wanted else 'this project'}",
            hint=f"the project has {', '.join(close)}"
            if close
            else "check RCA_ATLAS_CLUSTER; M0 and Flex clusters show no processes",
        )
    found.sort(key=lambda p: (p.role != "primary", p.label))
    return found[: atlas.settings.max_members]


def granularity(window: Range, asked: str = "auto") -> str:
    """The step: as asked, else the finest that Atlas keeps for such a window."""
    if asked != "auto":
        return asked
    length = window.end - window.start
    return "PT1M" if length <= timedelta(hours=2) else "PT5M" if length <= timedelta(days=1) else "PT1H"


async def measure(atlas: Atlas, path: str, metrics: Sequence[str], window: Range, step: str) -> Measured:
    """The metrics of one process or disk. What Atlas does not know is left out and named. Raises `ToolFailure`."""
    span = [("granularity", step), ("start", iso(window.start)), ("end", iso(window.end))]

    async def ask(names: Sequence[str]) -> Json | None:
        try:
            return await atlas.group(f"{path}/measurements", [*span, *(("m", name) for name in names)])
        except UnknownMetric:
            return None

    reply = await ask(metrics)
    told = Measured()
    replies = [reply] if reply is not None else []
    if reply is None and len(metrics) > 1:  # Atlas does not say which one it means
        each = await asyncio.gather(*(ask([name]) for name in metrics))
        replies = [r for r in each if r is not None]
        told.unknown = [name for name, r in zip(metrics, each, strict=True) if r is None]
    elif reply is None:
        told.unknown = list(metrics)
    for one in replies:
        _add(told, one, set(metrics))
    return told


def _add(told: Measured, reply: Json, wanted: set[str]) -> None:
    rows = reply.get("measurements")
    for row in rows if isinstance(rows, list) else []:
        name = row.get("name") if isinstance(row, dict) else None
        if name not in wanted or not isinstance(row.get("dataPoints"), list):
            continue
        points = []
        for point in row["dataPoints"]:
            at, value = when(point.get("timestamp") if isinstance(point, dict) else None), number(point, "value")
            if at is not None and value is not None and isfinite(value):
                points.append((at, value))
        told.points[name] = sorted(points)
        told.units[name] = unit(str(row.get("units", "")))


def when(text: Any) -> datetime | None:
    """A time as Atlas writes it, as aware UTC."""
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def unit(told: str) -> str:
    names = {
        "BYTES": "bytes",
        "MILLISECONDS": "ms",
        "SECONDS": "s",
        "PERCENT": "percent",
        "BYTES_PER_SECOND": "bytes_per_s",
    }
    return names.get(told, "per_s" if told.endswith("_PER_SECOND") else "")


def series(metric: str, host: str, measured: Measured, window: Range, step: str) -> Series:
    """At most `POINTS` values over the window; a part without a point stays null."""
    points = measured.points.get(metric) or []
    length = max(1.0, (window.end - window.start).total_seconds())
    parts = max(1, min(POINTS, int(length // _STEPS[step])))
    sums: list[list[float]] = [[] for _ in range(parts)]
    for at, value in points:
        place = int((at - window.start).total_seconds() / length * parts)
        if 0 <= place <= parts:
            sums[min(place, parts - 1)].append(value)
    values = [v for _, v in points]
    return Series(
        metric=metric,
        host=host,
        unit=measured.units.get(metric, ""),
        first=_short(values[0]) if values else None,
        last=_short(values[-1]) if values else None,
        min=_short(min(values)) if values else None,
        max=_short(max(values)) if values else None,
        avg=_short(sum(values) / len(values)) if values else None,
        values=[_short(sum(s) / len(s)) if s else None for s in sums] if values else [],
    )


def _short(value: float) -> float:
    return round(value, 3)


async def disks(atlas: Atlas, process: Process) -> list[str]:
    """The partitions of a process, by name. Raises `ToolFailure`."""
    names = [str(row.get("partitionName", "")) for row in await atlas.rows(f"/processes/{process.id}/disks")]
    return sorted(n for n in names if _PARTITION.fullmatch(n))[:4]


async def everywhere(  # noqa: PLR0917 (what is asked, and where failures go)
    atlas: Atlas, found: list[Process], metrics: Sequence[str], window: Range, step: str, reading: Reading
) -> list[Measured]:
    """The metrics of each process, in its order, those of disks from its fullest partition; what fails is noted in ``reading``."""
    of_disk = [m for m in metrics if m.startswith(("DISK_PARTITION_", "MAX_DISK_PARTITION_"))]
    of_process = [m for m in metrics if m not in of_disk]

    async def disk(process: Process) -> Measured:
        each = [
            await measure(atlas, f"/processes/{process.id}/disks/{name}", of_disk, window, step)
            for name in await disks(atlas, process)
        ]
        free = "DISK_PARTITION_SPACE_PERCENT_FREE"
        return min(each, key=lambda m: 101.0 if m.last(free) is None else m.last(free) or 0.0) if each else Measured()

    async def one(process: Process) -> Measured:
        told = Measured()
        if of_process:
            read = measure(atlas, f"/processes/{process.id}", of_process, window, step)
            told = await reading.of(f"Atlas metrics of {process.label}", read, told)
        if of_disk:
            more = await reading.of(f"Atlas disks of {process.label}", disk(process), Measured())
            told = Measured({**told.points, **more.points}, {**told.units, **more.units}, told.unknown + more.unknown)
        return told

    return list(await asyncio.gather(*(one(p) for p in found)))
