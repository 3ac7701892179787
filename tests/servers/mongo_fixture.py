"""A real MongoDB wire server as a process of its own, and recorded replies of the documented shape for what it lacks."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mcp.types import CallToolResult
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from mcp_servers.common.context import utc_now
from mcp_servers.common.server import build
from mcp_servers.mongodb import (
    tools_atlas_activity,
    tools_atlas_metrics,
    tools_collection,
    tools_connections,
    tools_health,
    tools_operations,
    tools_queries,
    tools_replication,
    tools_selftest,
)
from mcp_servers.mongodb.context import Context
from mcp_servers.mongodb.settings import load

Json = dict[str, Any]
NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
SECRET = "Tr0ub4dor-and-3"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def secantus(store: Path, *options: str, keep: bool = False) -> Iterator[int]:
    """The port of a server that listens; at the end it is killed, or stopped in peace where its data must be kept."""
    port = free_port()
    program = Path(sys.executable).with_name("secantusd-py")
    process = subprocess.Popen(
        [str(program), "--port", str(port), "--storage-path", str(store), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=store.parent,
        env={**os.environ, "HOME": str(store.parent)},
    )
    try:
        until = time.monotonic() + 20
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), 0.5):
                    break
            except OSError:
                if process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError("the MongoDB wire server did not start") from None
                time.sleep(0.05)
        yield port
    finally:
        process.send_signal(signal.SIGTERM if keep else signal.SIGKILL)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def fill(port: int) -> None:
    """A collection with an index and a profile that holds slow reads with literals in them."""
    with MongoClient("127.0.0.1", port, directConnection=True) as client:
        shop = client["shop"]
        shop["orders"].insert_many([{"u": i, "status": "open", "v": i % 7, "card": SECRET} for i in range(300)])
        shop["orders"].create_index("u")
        shop.command("profile", 2)
        for n in range(3):
            list(shop["orders"].find({"card": SECRET, "v": {"$gt": n}}).sort("v", -1))
        list(shop["orders"].aggregate([{"$match": {"card": SECRET}}, {"$group": {"_id": "$v", "n": {"$sum": 1}}}]))


MODULES = {
    "get_atlas_activity": tools_atlas_activity,
    "get_atlas_metrics": tools_atlas_metrics,
    "get_collection_stats": tools_collection,
    "get_connection_metrics": tools_connections,
    "get_current_operations": tools_operations,
    "get_database_health": tools_health,
    "get_query_performance": tools_queries,
    "get_replication_status": tools_replication,
    "health": tools_selftest,
}


async def call(environ: dict[str, str], tool: str, /, at: datetime | None = None, **arguments: Any) -> Json:
    """The structured answer of one call, an error included; ``at`` stops the clock.

    The tool stands behind the same door as in the whole server. A server of all tools and a client in front of it, which check every
    schema anew, would cost more than the call: those are in `test_mongo_server` and `mongo_wire.Room`.
    """
    context = Context(load(environ), utc_now if at is None else lambda: at)
    one = [t for t in MODULES[tool].tools(context) if t.name == tool]
    server = build("rca-mongodb", "", one, context.settings.common, context.lifespan)
    async with context.lifespan(server):
        result = await server.call_tool(tool, arguments)
        assert isinstance(result, CallToolResult)
        assert result.structured_content is not None, result.content
        return result.structured_content


def wait_for_users(port: int) -> None:
    """Until the server answers a command, not only a connection."""
    until = time.monotonic() + 10
    while True:
        try:
            with MongoClient("127.0.0.1", port, directConnection=True, serverSelectionTimeoutMS=500) as client:
                client.admin.command("ping")
                return
        except PyMongoError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def status(**changes: Any) -> Json:
    """``serverStatus`` of a calm 8.0 member, in MongoDB's documented shape; ``changes`` replace whole sections."""
    calm: Json = {
        "version": "8.0.4",
        "uptime": 900_000.0,
        "localTime": NOW,
        "connections": {"current": 40, "available": 960, "active": 4, "totalCreated": 90_000, "rejected": 0},
        "opLatencies": {
            "reads": {"latency": 1_000_000, "ops": 1_000},
            "writes": {"latency": 500_000, "ops": 100},
            "commands": {"latency": 100_000, "ops": 100},
        },
        "globalLock": {"currentQueue": {"total": 0, "readers": 0, "writers": 0}},
        "queues": {
            "execution": {
                "read": {"out": 3, "available": 125, "totalTickets": 128, "normalPriority": {"queueLength": 0}},
                "write": {"out": 3, "available": 125, "totalTickets": 128, "normalPriority": {"queueLength": 0}},
            }
        },
        "wiredTiger": {
            "cache": {
                "bytes currently in the cache": 600,
                "maximum bytes configured": 1_000,
                "tracked dirty bytes in the cache": 20,
                "pages evicted by application threads": 10,
            }
        },
        "flowControl": {"isLagged": False},
        "extra_info": {"page_faults": 100},
        "asserts": {"regular": 0},
    }
    return {**calm, **changes}


def set_status(*, lag_s: float = 0, third: Json | None = None, elected: datetime | None = None) -> Json:
    """``replSetGetStatus`` of three members, in MongoDB's documented shape."""
    written = NOW - timedelta(seconds=1)
    second = {
        "name": "m2:27017",
        "health": 1.0,
        "state": 2,
        "stateStr": "SECONDARY",
        "uptime": 5_000,
        "optimeDate": written - timedelta(seconds=lag_s),
        "lastHeartbeatRecv": NOW,
        "lastHeartbeatMessage": "",
        "syncSourceHost": "m1:27017",
    }
    return {
        "set": "rs0",
        "date": NOW,
        "myState": 1,
        "term": 12,
        "votingMembersCount": 3,
        "members": [
            {
                "name": "m1:27017",
                "health": 1.0,
                "state": 1,
                "stateStr": "PRIMARY",
                "uptime": 9_000,
                "optimeDate": written,
                "self": True,
            },
            second,
            third or {**second, "name": "m3:27017", "optimeDate": written},
        ],
        "electionCandidateMetrics": {
            "lastElectionReason": "electionTimeout",
            "lastElectionDate": elected or NOW - timedelta(days=9),
            "electionTerm": 12,
        },
    }
