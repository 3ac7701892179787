"""``serverStatus`` twice, about one second apart: nearly all of it counts since the start, and only the difference is the present."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from mcp_servers.mongodb.client import Member
from mcp_servers.mongodb.reading import Reading

Json = dict[str, Any]
APART_S = 1.0
# Sections that are large and tell nothing here are switched off; the oplog's ends are off by default.
STATUS: Json = {
    "serverStatus": 1,
    "oplog": 1,
    "locks": 0,
    "tcmalloc": 0,
    "sharding": 0,
    "transportSecurity": 0,
    "logicalSessionRecordCache": 0,
}


@dataclass(frozen=True)
class Sample:
    """Two replies of one member and the seconds between them, on the member's clock where it tells."""

    member: Member
    first: Json
    second: Json
    seconds: float


async def sample(members: list[Member], reading: Reading) -> list[Sample]:
    """Samples of the members that answered both times, all taken side by side; the others are noted in ``reading``."""

    async def one(member: Member) -> Sample:
        first = await member.ask(STATUS)
        began = time.monotonic()
        await asyncio.sleep(APART_S)
        second = await member.ask(STATUS)
        return Sample(member, first, second, between(first, second, time.monotonic() - began))

    taken = await asyncio.gather(*(reading.of(f"status of {m.label}", _maybe(one(m)), None) for m in members))
    return [t for t in taken if t is not None]


async def _maybe(read: Any) -> Sample | None:
    result: Sample = await read
    return result


def between(first: Json, second: Json, elapsed: float) -> float:
    """Seconds between two replies by the server's clock, else ``elapsed`` as measured here."""
    start, end = first.get("localTime"), second.get("localTime")
    try:
        seconds = (end - start).total_seconds()  # type: ignore[operator]
    except (TypeError, AttributeError):
        return elapsed
    return float(seconds) if 0.2 <= seconds <= 30 else elapsed
