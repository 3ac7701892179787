"""Asking for the replica set's state: the primary knows best, any other member is better than nobody."""

from typing import Any

from mcp_servers.common.envelope import ErrorInfo, ToolFailure
from mcp_servers.mongodb.client import Member, Topology
from mcp_servers.mongodb.replication import SetView, set_view

_TRIES = 3


async def _config(member: Member) -> dict[str, Any] | None:
    """What the members are meant to be; without it a member that lags on purpose looks like one that fell behind."""
    try:
        return await member.ask({"replSetGetConfig": 1})
    except ToolFailure:
        return None


async def view(topology: Topology) -> SetView:
    """The first member's answer. Raises `ToolFailure`: UNSUPPORTED for a standalone or mongos, else why the members do not tell."""
    asked = [m for m in topology.members if m.role not in ("mongos", "standalone")]
    if not asked:
        raise ToolFailure(
            "UNSUPPORTED",
            f"{topology.members[0].label} is a {topology.words}: there is no replica set to tell of",
            hint="for a sharded cluster point RCA_MONGO_URI at a shard's members",
        )
    last: ErrorInfo | None = None
    for member in asked[:_TRIES]:
        try:
            return set_view(await member.ask({"replSetGetStatus": 1}), member.label, await _config(member))
        except ToolFailure as failure:
            last = last or failure.info
    assert last is not None
    raise ToolFailure(**last.model_dump())
