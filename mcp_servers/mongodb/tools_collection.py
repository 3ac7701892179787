"""`get_collection_stats`: how large a collection is, how fast it answers, and which of its indexes are used."""

import asyncio
from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, ToolFailure, ok
from mcp_servers.common.signals import signal
from mcp_servers.mongodb import collection as c
from mcp_servers.mongodb.client import Member
from mcp_servers.mongodb.context import Context
from mcp_servers.mongodb.namespaces import FULL, parts
from mcp_servers.mongodb.reading import Reading

DESCRIPTION = (
    "One collection (`db.collection`) on each member: documents, sizes, mean read and write latency, indexes with key, size, uses and "
    "whether they are being built; indexes unused for 7 days. Statistics only, no document is read."
)
SIGNALS = ("mongo.index_build",)


class CollectionStats(Envelope):
    """``unused_indexes``: used on no member that was asked."""

    namespace: str
    members: list[c.MemberCollection]
    unused_indexes: list[str] = Field(default_factory=list)


def tools(context: Context) -> list[Tool]:
    async def get_collection_stats(
        namespace: Annotated[str, Field(pattern=FULL, max_length=200)],
    ) -> Annotated[CallToolResult, CollectionStats]:
        topology, reading = await context.topology(), Reading()
        members = [m for m in topology.data if m.role in ("primary", "secondary", "standalone", "mongos")]
        read = await asyncio.gather(*(_of(m, namespace, context, reading) for m in members))
        rows = [r for r in read if r is not None]
        if not rows:
            raise _unknown(namespace, reading)
        answer = CollectionStats(
            summary="",
            namespace=namespace,
            members=rows,
            unused_indexes=_unused(rows),
            partial=topology.gaps(),
            notes=topology.notes(),
            untrusted=["members[].indexes[].name", "members[].indexes[].key", "unused_indexes"],
        )
        for row in rows:
            for index in row.indexes:
                if index.building:
                    said = f"index {index.name} of {namespace} is being built"
                    answer.signals.append(signal("mongo.index_build", f"mongo/{row.host}", said))
        if answer.unused_indexes:
            answer.notes.append(
                "uses are counted by each member since it started; members that were not asked may use these indexes"
            )
        if any(i.ops is not None and not i.since for r in rows for i in r.indexes):
            answer.notes.append("this server does not report since when it counts uses: unused indexes cannot be told")
        if all(r.reads is None and r.writes is None for r in rows):
            answer.notes.append("this server does not report latencies of a collection")
        top = rows[0]
        if top.documents and top.size_bytes is None:
            answer.notes.append("this server does not report sizes")
        size = f"{top.size_bytes / 1e6:.1f} MB" if top.size_bytes else "unknown size"
        answer.summary = (
            f"{top.documents if top.documents is not None else '?'} documents, {size}, {len(top.indexes)} indexes in {namespace}"
            + (f"; {len(answer.unused_indexes)} indexes are unused" if answer.unused_indexes else "")
        )
        reading.into(answer)
        return ok(answer)

    return [strict.tool(get_collection_stats, "get_collection_stats", DESCRIPTION, SIGNALS)]


async def _of(member: Member, namespace: str, context: Context, reading: Reading) -> c.MemberCollection | None:
    database, name = parts(namespace)

    async def ask(pipeline: list[c.Json]) -> list[c.Json]:
        return await member.rows({"aggregate": name, "pipeline": pipeline, "cursor": {"batchSize": 101}}, database)

    stats, indexes = await asyncio.gather(
        reading.of(f"statistics of {member.label}", ask(c.STATS), []),
        reading.of(f"indexes of {member.label}", ask(c.INDEXES), []),
    )
    if not stats or not indexes:  # a collection always has its _id index, so none means that there is no collection
        return None
    limits = context.settings.thresholds
    return c.member_collection(member.label, member.role, stats, indexes, now=context.clock(), limits=limits)


def _unused(rows: list[c.MemberCollection]) -> list[str]:
    """Unused everywhere: a secondary may serve the reads that the primary does not."""
    names = [{i.name for i in row.indexes if i.unused} for row in rows]
    return sorted(set.intersection(*names)) if names else []


def _unknown(namespace: str, reading: Reading) -> ToolFailure:
    grave = next((e for e in reading.missing.values() if e.code != "NOT_FOUND"), None)
    if grave is not None:
        return ToolFailure(**grave.model_dump())
    return ToolFailure(
        "NOT_FOUND",
        f"no member has a collection {namespace}",
        hint="names are case sensitive; a view has no statistics",
    )
