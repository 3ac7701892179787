"""One collection from ``$collStats`` and ``$indexStats``: sizes, latencies and how its indexes are used. No document is read."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from mcp_servers.common.envelope import Lean
from mcp_servers.mongodb.reading import iso, moment, number, whole
from mcp_servers.mongodb.shapes import label, order

Json = dict[str, Any]
STATS: list[Json] = [{"$collStats": {"storageStats": {}, "latencyStats": {}, "count": {}}}, {"$limit": 20}]
INDEXES: list[Json] = [{"$indexStats": {}}, {"$limit": 100}]


class Index(Lean):
    """``ops`` since ``since`` on this member only; both start anew with the process."""

    name: str
    key: str
    size_bytes: int | None = None
    ops: int | None = None
    since: str = ""
    building: bool = False
    unused: bool = False


class MemberCollection(Lean):
    """Sizes in bytes; latencies are means in ms since the member started."""

    host: str
    role: str
    documents: int | None = None
    size_bytes: int | None = None
    storage_bytes: int | None = None
    index_bytes: int | None = None
    average_document_bytes: int | None = None
    read_ms: float | None = None
    write_ms: float | None = None
    reads: int | None = None
    writes: int | None = None
    indexes: list[Index] = Field(default_factory=list)


def member_collection(
    host: str, role: str, stats: list[Json], indexes: list[Json], *, now: datetime, limits: Mapping[str, float]
) -> MemberCollection:
    """What one member tells; ``stats`` has one row (on a mongos one a shard, which are added up)."""
    storage = [row.get("storageStats") or {} for row in stats]
    latency = [row.get("latencyStats") or {} for row in stats]
    sizes: dict[str, int] = {}
    for part in storage:
        for name in part.get("indexSizes") or {}:
            size = number(part.get("indexSizes"), name)
            if size is not None:
                sizes[name] = sizes.get(name, 0) + int(size)
    building = {str(b) for part in storage for b in part.get("indexBuilds") or []}
    documents, size = _sum(stats, "count"), _sum(storage, "size")
    weighed = bool(size) or not documents  # documents without a size: the server does not weigh them
    return MemberCollection(
        host=host,
        role=role,
        documents=documents,
        size_bytes=size if weighed else None,
        storage_bytes=_sum(storage, "storageSize") if weighed else None,
        index_bytes=_sum(storage, "totalIndexSize") if weighed else None,
        average_document_bytes=size // documents if size and documents else None,
        read_ms=_mean(latency, "reads"),
        write_ms=_mean(latency, "writes"),
        reads=_sum(latency, "reads", "ops"),
        writes=_sum(latency, "writes", "ops"),
        indexes=[_index(row, sizes if weighed else {}, building, now, limits) for row in indexes],
    )


def _sum(rows: list[Any], *path: str) -> int | None:
    known = [v for row in rows if (v := whole(row, *path)) is not None]
    return sum(known) if known else None


def _mean(rows: list[Any], kind: str) -> float | None:
    spent, ops = _sum(rows, kind, "latency"), _sum(rows, kind, "ops")
    return round(spent / ops / 1_000, 3) if spent is not None and ops else None


def _index(
    row: Json, sizes: Mapping[str, int], building: set[str], now: datetime, limits: Mapping[str, float]
) -> Index:
    name = str(row.get("name") or "")
    ops, since = whole(row, "accesses", "ops"), moment((row.get("accesses") or {}).get("since"))
    watched = since is not None and (now - since).total_seconds() >= limits["unused_index_s"]
    return Index(
        name=label(name, 120),
        key=order(row.get("key")),
        size_bytes=sizes.get(name),
        ops=ops,
        since=iso(since),
        building=row.get("building") is True or name in building,
        unused=ops == 0 and watched and name != "_id_",
    )
