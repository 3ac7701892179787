"""`get_current_operations`: what runs now, what waits, and what holds others up."""

import asyncio
from typing import Annotated

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult
from pydantic import Field

from mcp_servers.common import strict
from mcp_servers.common.envelope import Envelope, Page, ok
from mcp_servers.mongodb import operations as o
from mcp_servers.mongodb.context import Context
from mcp_servers.mongodb.namespaces import OPTIONAL
from mcp_servers.mongodb.reading import Reading
from mcp_servers.mongodb.shapes import label

DESCRIPTION = (
    "Operations that run on MongoDB now for at least `min_secs`, those that wait for locks, idle open transactions and index builds with "
    "progress; per member, the blocking ones first. Commands are shapes without literals. `namespace`: `db` or `db.collection`."
)


class CurrentOperations(Envelope):
    operations: list[o.Operation]


def tools(context: Context) -> list[Tool]:
    async def get_current_operations(
        min_secs: Annotated[float, Field(ge=0, le=86_400)] = 3,
        namespace: Annotated[str, Field(pattern=OPTIONAL, description="empty: all")] = "",
        limit: Annotated[int, Field(ge=1, le=30)] = 10,
    ) -> Annotated[CallToolResult, CurrentOperations]:
        topology, reading, now = await context.topology(), Reading(), context.clock()
        replies = await asyncio.gather(
            *(reading.of(f"operations of {m.label}", m.rows(o.RUNNING), []) for m in topology.data)
        )
        raw = list(zip(topology.data, replies, strict=True))
        # a router tells of its shards' members, each row by its own name
        seen = [
            s
            for m, rows in raw
            for r in rows
            if (s := o.operation(r, (m.role == "mongos" and label(r.get("host"), 200)) or m.label, now)) is not None
        ]
        found = o.ordered([s for s in seen if o.wanted(s, min_secs, namespace)])
        signals = o.signals(found, context.settings.thresholds)
        answer = CurrentOperations(
            summary=_summary(found, len(topology.data)),
            signals=signals,
            operations=found[:limit],
            partial=topology.gaps(),
            notes=topology.notes(),
            page=Page(returned=min(limit, len(found)), total=len(found)),
            untrusted=["operations[].app", "operations[].client", "operations[].desc", "operations[].shape"],
        )
        full = [m.label for m, rows in raw if len(rows) >= o.MOST]
        if full:
            answer.notes.append(f"{', '.join(full)}: only the {o.MOST} longest operations were read")
        if any(s.secs is None and not s.idle_transaction for s in seen):
            answer.notes.append("some operations come without the time they run: this server does not report it")
        if not found:
            where = f" on {namespace}" if namespace else ""
            answer.notes.append(
                f"{len(seen)} operations were running when it was asked; none{where} runs for {min_secs:g} s, waits, or holds a transaction"
            )
        reading.into(answer)
        return ok(answer)

    return [strict.tool(get_current_operations, "get_current_operations", DESCRIPTION, o.CODES)]


def _summary(found: list[o.Operation], members: int) -> str:
    waiting, idle = sum(f.waiting_for_lock for f in found), sum(f.idle_transaction for f in found)
    head = f"{len(found)} operations on {members} members: {waiting} wait for a lock, {idle} idle transactions"
    longest = max((f for f in found if f.secs is not None), key=lambda f: f.secs or 0, default=None)
    return f"{head}; the longest runs {longest.secs:g} s ({longest.op} on {longest.ns or '?'})" if longest else head
