"""The members of a deployment, each asked by itself.

``serverStatus``, ``$currentOp`` and the profile are a member's own, so one small direct client a member is used instead of a replica-set
client, which would answer for whichever member it picks. The addresses come from the URI and from what the members say about each other.
"""

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from pymongo import AsyncMongoClient
from pymongo.asynchronous.uri_parser import parse_uri
from pymongo.errors import PyMongoError

from mcp_servers.common.envelope import ErrorInfo, Partial, ToolFailure
from mcp_servers.mongodb.privileges import Credential
from mcp_servers.mongodb.refusals import failure_of
from mcp_servers.mongodb.settings import MongoSettings
from mcp_servers.mongodb.wire import checked, told

Json = dict[str, Any]
APP = "rca-bot-ro"
_URI = re.compile(
    r"(?s)^mongodb(?P<srv>\+srv)?://(?:(?P<user>[^@]*)@)?(?P<hosts>[^/?]*)(?:/(?P<db>[^?]*))?(?:\?(?P<query>.*))?$"
)
_NOT_A_MEMBERS = ("replicaset", "directconnection", "loadbalanced", "srvservicename", "srvmaxhosts", "appname")
IDLE_S = 60.0  # an unasked client is closed after that: it would keep its watcher's connection for ever
_GRACE_S = 1.5  # for the way there and back, on top of the server's own limit


class Member:
    """One server process. ``label`` is its ``host:port``; ``hello`` what it last said about itself."""

    def __init__(self, label: str, client: "AsyncMongoClient[Json]", timeout_s: float) -> None:
        self.label = label
        self.client = client
        self.hello: Json = {}
        self.busy = 0
        self.used = time.monotonic()
        self._timeout_s = timeout_s

    async def ask(self, body: Json, database: str = "admin") -> Json:
        """The reply to a read command. Raises `ToolFailure`; `wire.NotARead` before anything is sent."""
        name = told(body)
        command = checked(body, int(self._timeout_s * 1000))
        self.busy += 1
        try:
            async with asyncio.timeout(self._timeout_s + _GRACE_S):
                return dict(await self.client[database].command(command))
        except PyMongoError as error:
            raise failure_of(error, name, database, self.label) from error
        except TimeoutError as error:
            raise ToolFailure(
                "TIMEOUT",
                f"{name} on {self.label} took longer than {self._timeout_s:g} s",
                retryable=True,
                hint="the member is loaded or unreachable; RCA_MONGO_TIMEOUT_S raises the limit",
            ) from error
        finally:
            self.busy -= 1
            self.used = time.monotonic()

    async def rows(self, body: Json, database: str = "admin") -> list[Json]:
        """The first batch of a cursor; commands are bounded so that it is the only one. Raises as `ask`."""
        reply = await self.ask(body, database)
        return list((reply.get("cursor") or {}).get("firstBatch") or [])

    @property
    def subject(self) -> str:
        return f"mongo/{self.label}"

    @property
    def role(self) -> str:
        hello = self.hello
        if hello.get("msg") == "isdbgrid":
            return "mongos"
        if hello.get("arbiterOnly"):
            return "arbiter"
        if not hello.get("setName"):
            return "standalone"
        if hello.get("isWritablePrimary") or hello.get("ismaster"):
            return "primary"
        return "secondary" if hello.get("secondary") else "other"


@dataclass(frozen=True)
class Topology:
    """Who answered (the primary first) and who did not."""

    members: list[Member]
    away: dict[str, ErrorInfo] = field(default_factory=dict)
    left_out: int = 0

    @property
    def set_name(self) -> str:
        return next((str(m.hello["setName"]) for m in self.members if m.hello.get("setName")), "")

    @property
    def primary(self) -> Member | None:
        return next((m for m in self.members if m.role == "primary"), None)

    @property
    def data(self) -> list[Member]:
        """The members that hold data or route to it."""
        return [m for m in self.members if m.role != "arbiter"]

    @property
    def words(self) -> str:
        if any(m.role == "mongos" for m in self.members):
            return "sharded cluster"
        return f"replica set {self.set_name}" if self.set_name else "standalone"

    def gaps(self) -> list[Partial]:
        return [Partial(part=f"member {label}", code=e.code, message=e.message) for label, e in self.away.items()]

    def notes(self) -> list[str]:
        return [f"{self.left_out} more members are not asked: RCA_MONGO_MAX_MEMBERS"] if self.left_out else []


class Deployment:
    """The direct clients, opened as members become known; they reconnect by themselves."""

    def __init__(self, settings: MongoSettings, seeds: list[str]) -> None:
        self._settings = settings
        self._seeds = seeds
        self._members: dict[str, Member] = {}
        self._admitted = False
        self._sweeper: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, settings: MongoSettings) -> "Deployment":
        """Raises `ToolFailure` UNAVAILABLE when no URI is set, or it cannot be read or resolved."""
        if not settings.uri:
            raise ToolFailure(
                "UNAVAILABLE", "no MongoDB deployment is configured", hint="set RCA_MONGO_URI or RCA_MONGO_URI_FILE"
            )
        try:
            async with asyncio.timeout(settings.timeout_s):
                nodes = (await parse_uri(settings.uri))["nodelist"]
        except (PyMongoError, ValueError, TimeoutError) as error:
            raise ToolFailure(
                "UNAVAILABLE",
                f"RCA_MONGO_URI cannot be used ({type(error).__name__})",
                hint="escape special characters of the user and password; for mongodb+srv the name must resolve",
            ) from error
        return cls(settings, [_label(host, port) for host, port in nodes])

    async def look(self) -> Topology:
        """Ask every known member who it is. Raises `ToolFailure` when none answers."""
        most = self._settings.max_members
        first = await self._greet(self._seeds[:most])
        known = {m.hello.get("me") or m.label for m in first.values() if isinstance(m, Member)}
        others: list[str] = []
        if not self._settings.direct:
            said = [m.hello for m in first.values() if isinstance(m, Member)]
            names = [str(h) for s in said for part in ("hosts", "passives", "arbiters") for h in s.get(part) or []]
            others = [n for n in dict.fromkeys(names) if n not in known and n not in first]
        room = max(0, most - len(first))
        found = {**first, **await self._greet(others[:room])}
        # one member may stand in the URI under two names
        members = list({m.hello.get("me") or m.label: m for m in found.values() if isinstance(m, Member)}.values())
        away = {label: e.info for label, e in found.items() if isinstance(e, ToolFailure)}
        if not members:
            raise _nobody(away)
        members.sort(key=lambda m: (m.role != "primary", m.label))
        return Topology(members, away, len(others[room:]) + len(self._seeds[most:]))

    async def credential(self, topology: Topology) -> Credential:
        """What the user of the URI may do. Raises `ToolFailure`."""
        asked = topology.data or topology.members
        return Credential(await asked[0].ask({"connectionStatus": 1, "showPrivileges": True}))

    async def admit(self, topology: Topology) -> None:
        """Raises `ToolFailure` FORBIDDEN when the credential may write and that was not allowed explicitly."""
        if self._admitted:
            return
        credential = await self.credential(topology)
        if credential.writes and not self._settings.allow_privileged:
            raise ToolFailure(
                "FORBIDDEN",
                f"the MongoDB user may do more than read statistics: {', '.join(credential.writes)}",
                hint="use a user with the role clusterMonitor on admin only, or set RCA_ALLOW_PRIVILEGED=1",
            )
        self._admitted = True

    async def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        members, self._members = self._members, {}
        await asyncio.gather(*(m.client.close() for m in members.values()))

    async def _sweep(self) -> None:
        """Close the clients that nobody asked for a while; ends with the last of them and begins again with the next."""
        while self._members:
            now = time.monotonic()
            idle = [m for m in self._members.values() if not m.busy and now - m.used >= IDLE_S]
            for member in idle:
                del self._members[member.label]
            await asyncio.gather(*(m.client.close() for m in idle))
            oldest = min((m.used for m in self._members.values()), default=now)
            if self._members:
                await asyncio.sleep(max(0.05, oldest + IDLE_S - time.monotonic()))

    async def _greet(self, labels: list[str]) -> dict[str, Member | ToolFailure]:
        async def one(label: str) -> Member | ToolFailure:
            try:
                member = self._member(label)
                member.hello = await member.ask({"hello": 1})
            except ToolFailure as failure:
                return failure
            return member

        return dict(zip(labels, await asyncio.gather(*(one(label) for label in labels)), strict=True))

    def _member(self, label: str) -> Member:
        member = self._members.get(label)
        if member is None:
            try:
                client = self._client(label)
            except (PyMongoError, ValueError) as error:
                raise ToolFailure(
                    "UNAVAILABLE",
                    f"the connection to {label} cannot be set up ({type(error).__name__})",
                    hint="check the options of RCA_MONGO_URI and RCA_MONGO_TLS_CA_FILE",
                ) from error
            member = self._members[label] = Member(label, client, self._settings.timeout_s)
            if self._sweeper is None or self._sweeper.done():
                self._sweeper = asyncio.create_task(self._sweep())
        return member

    def _client(self, label: str) -> "AsyncMongoClient[Json]":
        limit = int(self._settings.timeout_s * 1000)
        more: Json = {"tls": True, "tlsCAFile": self._settings.ca_file} if self._settings.ca_file else {}
        return AsyncMongoClient(
            member_uri(self._settings.uri, label),
            directConnection=True,
            appname=APP,
            maxPoolSize=5,
            minPoolSize=0,
            maxIdleTimeMS=60_000,
            serverSelectionTimeoutMS=min(limit, 4_000),
            connectTimeoutMS=min(limit, 4_000),
            socketTimeoutMS=limit + int(_GRACE_S * 1000),
            waitQueueTimeoutMS=limit,
            retryWrites=False,
            retryReads=True,
            tz_aware=True,
            **more,
        )


def member_uri(uri: str, label: str) -> str:
    """``uri`` pointed at one member: user, database and options stay, what speaks of the whole deployment goes."""
    match = _URI.match(uri)
    if match is None:
        raise ValueError("not a MongoDB URI")
    options = [(k, v) for k, v in parse_qsl(match["query"] or "") if k.lower() not in _NOT_A_MEMBERS]
    names = {k.lower() for k, _ in options}
    if match["srv"]:
        # what a +srv address implies: TLS, and users that live in admin
        options += [("tls", "true")] * ("tls" not in names and "ssl" not in names)
        options += [("authSource", "admin")] * ("authsource" not in names and match["user"] is not None)
    user = f"{match['user']}@" if match["user"] is not None else ""
    return f"mongodb://{user}{label}/{match['db'] or ''}?{urlencode(options)}".removesuffix("?")


def _label(host: str, port: int | None) -> str:
    return f"[{host}]:{port or 27017}" if ":" in host else f"{host}:{port or 27017}"


def _nobody(away: dict[str, ErrorInfo]) -> ToolFailure:
    """The gravest of several reasons: a refused password is not cured by waiting."""
    chosen = next((e for e in away.values() if e.code == "UNAUTHORIZED"), next(iter(away.values())))
    more = f" ({len(away)} members asked, none answers)" if len(away) > 1 else ""
    return ToolFailure(
        chosen.code,
        chosen.message + more,
        retryable=chosen.retryable,
        hint=chosen.hint,
        backend_status=chosen.backend_status,
    )
