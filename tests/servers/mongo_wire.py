"""Recorded members on a real wire: a small server that speaks MongoDB's protocol and answers each command with what it was given.

The engine of these tests has no storage statistics, no elections and one member only. What it lacks is told here in MongoDB's documented
shape, so that it takes the same way as in production: driver, client, reading, judgement, envelope.
"""

import asyncio
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import bson
from mcp import Client
from mongo_fixture import NOW, set_status, status

from mcp_servers.mongodb.server import create_server

Json = dict[str, Any]
_HEADER = struct.Struct("<iiii")
_REPLY, _QUERY, _MSG = 1, 2004, 2013


@dataclass(frozen=True)
class Refusal:
    """An error as the server tells it."""

    code: int
    message: str


class Then:
    """One reply after the other; the last one stays."""

    def __init__(self, *replies: Any) -> None:
        self._left = list(replies)

    def next(self) -> Any:
        return self._left.pop(0) if len(self._left) > 1 else self._left[0]


Reply = Json | list[Json] | Refusal | Then


def seconds_apart(first: Json, second: Json, seconds: float = 1.0) -> Then:
    """Two replies to ``serverStatus`` that lie ``seconds`` apart on the member's own clock."""
    return Then({**first, "localTime": NOW}, {**second, "localTime": NOW + timedelta(seconds=seconds)})


def command_key(body: Json) -> str:
    """What a reply is kept under: the command, for aggregates their first stage, and who holds connections apart from what runs."""
    name = next(iter(body))
    if name != "aggregate":
        return name
    stage, options = next(iter(body["pipeline"][0].items()))
    return "clients" if stage == "$currentOp" and options.get("idleConnections") else str(stage)


class RecordedMember:
    """One member. ``replies`` by `command_key`; ``hello`` completes its greeting; ``asked`` keeps (database, command)."""

    def __init__(self, role: str = "primary") -> None:
        self.port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.calm(role)

    def calm(self, role: str) -> None:
        """Forget what was set and asked."""
        self.role = role
        self.hello: Json = {}
        self.asked: list[tuple[str, Json]] = []
        self.replies: dict[str, Reply] = {
            "buildInfo": {"version": "8.0.4"},
            "serverStatus": seconds_apart(status(), status()),
            "replSetGetStatus": set_status(),
            "replSetGetConfig": {"config": {"_id": "rs0", "members": []}},
            "connectionStatus": {"authInfo": {"authenticatedUsers": [], "authenticatedUserRoles": []}},
            "getParameter": {"featureCompatibilityVersion": {"version": "8.0"}},
            "getLog": {"totalLinesWritten": 0, "log": []},
            "listDatabases": {"databases": [{"name": "shop", "sizeOnDisk": 4_096_000}]},
            "dbStats": {"db": "admin", "fsUsedSize": 50.0, "fsTotalSize": 100.0},
            "profile": {"was": 0, "slowms": 100},
            "find": [],
            "clients": [],
            "$currentOp": [],
            "$collStats": [],
            "$indexStats": [],
        }

    @property
    def label(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in list(self._open):
                writer.close()
            self._server = None

    @property
    def connections(self) -> int:
        return len(self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while True:
                length, request, _, kind = _HEADER.unpack(await reader.readexactly(_HEADER.size))
                writer.write(self._reply(request, kind, await reader.readexactly(length - _HEADER.size)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went away
        finally:
            self._open.discard(writer)
            writer.close()

    def _reply(self, request: int, kind: int, body: bytes) -> bytes:
        if kind == _QUERY:  # the first greeting of a connection
            told = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(self._hello())
            return _HEADER.pack(_HEADER.size + len(told), 1, request, _REPLY) + told
        assert kind == _MSG
        told = struct.pack("<I", 0) + b"\0" + bson.encode(self._answer(bson.decode(body[5:])))
        return _HEADER.pack(_HEADER.size + len(told), 1, request, _MSG) + told

    def _answer(self, command: Json) -> Json:
        name, database = next(iter(command)), command["$db"]
        if name in ("hello", "ismaster", "isMaster"):
            return self._hello()
        if name == "endSessions":
            return {"ok": 1.0}
        self.asked.append((database, command))
        reply = self.replies.get(command_key(command), Refusal(59, f"no such command: '{name}'"))
        if isinstance(reply, Then):
            reply = reply.next()
        if isinstance(reply, Refusal):
            return {"ok": 0.0, "code": reply.code, "codeName": "Recorded", "errmsg": reply.message}
        if isinstance(reply, list):
            return {"cursor": {"id": 0, "ns": f"{database}.x", "firstBatch": reply}, "ok": 1.0}
        return {**reply, "ok": 1.0}

    def _hello(self) -> Json:
        told: Json = {
            "helloOk": True,
            "maxBsonObjectSize": 16_777_216,
            "maxMessageSizeBytes": 48_000_000,
            "maxWriteBatchSize": 100_000,
            "localTime": NOW,
            "minWireVersion": 0,
            "maxWireVersion": 25,
            "logicalSessionTimeoutMinutes": 30,
            "readOnly": False,
            "ok": 1.0,
        }
        if self.role == "mongos":
            return {**told, "isWritablePrimary": True, "msg": "isdbgrid", **self.hello}
        if self.role == "standalone":
            return {**told, "isWritablePrimary": True, **self.hello}
        flags: Json = {"isWritablePrimary": self.role == "primary", "secondary": self.role == "secondary"}
        flags |= {"arbiterOnly": True} if self.role == "arbiter" else {}
        return {**told, **flags, "setName": "rs0", "me": self.label, **self.hello}


class Deployment:
    """Recorded members that know of each other. Use as an async context manager."""

    def __init__(self, *roles: str) -> None:
        self._roles = roles or ("primary", "secondary", "secondary")
        self.members = [RecordedMember(role) for role in self._roles]
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "Deployment":
        for member in self.members:
            await member.start()
            self._stack.push_async_callback(member.stop)
        self.calm()
        return self

    def calm(self) -> None:
        """As at the start: nothing is wrong."""
        placed = list(zip(self.members, self._roles, strict=True))
        hosts = [m.label for m, role in placed if role in ("primary", "secondary")]
        arbiters = [m.label for m, role in placed if role == "arbiter"]
        for member, role in placed:
            member.calm(role)
            if role in ("primary", "secondary", "arbiter"):
                member.hello = {"hosts": hosts, "arbiters": arbiters, "primary": hosts[0]}

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def uri(self) -> str:
        return f"mongodb://{self.members[0].label}/"

    @property
    def first(self) -> RecordedMember:
        return self.members[0]

    def everywhere(self, change: Callable[[RecordedMember], None]) -> None:
        for member in self.members:
            change(member)


class Room:
    """A deployment and a server that is connected to it, kept for many tests: putting a server together costs more than most of them.

    They live on a loop of their own in a thread, because each test has its own loop. Use as a context manager.
    """

    def __init__(self, **environ: str) -> None:
        self.deployment = Deployment()
        self._environ = environ
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._stop = asyncio.Event()
        self._client: Client | None = None

    def __enter__(self) -> "Room":
        self._thread.start()
        ready = threading.Event()
        self._life = asyncio.run_coroutine_threadsafe(self._live(ready), self._loop)
        assert ready.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._life.result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(20)
        self._loop.close()

    async def _live(self, ready: threading.Event) -> None:
        async with self.deployment:
            environ = {
                "RCA_MONGO_URI": self.deployment.uri,
                "RCA_MONGO_TIMEOUT_S": "2",
                "RCA_CACHE_S": "0",
                **self._environ,
            }
            async with Client(create_server(environ, clock=lambda: NOW)) as self._client:
                ready.set()
                await self._stop.wait()

    def ask(self, tool: str, **arguments: Any) -> Json:
        """The structured answer, an error included."""
        assert self._client is not None
        result = self._run(self._client.call_tool(tool, arguments))
        assert result.structured_content is not None, result.content
        return dict(result.structured_content)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(20)
