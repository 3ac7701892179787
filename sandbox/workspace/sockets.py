"""Socket Mode: connections, envelopes, acknowledgements, redelivery.

Each envelope goes to one of the open connections in turn. An event that is not acknowledged in time, or whose connection breaks, is
sent again after each of the retry delays; a command or an interaction gets one chance.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from sandbox.workspace.background import Background
from sandbox.workspace.clock import Clock
from sandbox.workspace.errors import DispatchError, SlackError
from sandbox.workspace.wire import Ack, Wire

MOST_CONNECTIONS = 10
TICKET_SECONDS = 30.0
MOST_FRAME_BYTES = 1_000_000
REFRESH_GRACE_SECONDS = 10.0
CLOSE_SECONDS = 2.0

Json = dict[str, Any]


@dataclass(eq=False)
class Connection:
    number: int
    socket: web.WebSocketResponse
    request: web.Request
    draining: bool = False  # told to reconnect: takes acks, gets nothing new
    silent: bool = False  # half-open: nothing is read or sent any more, yet nobody closed it


@dataclass(eq=False)
class Delivery:
    """One payload on its way; ``done`` carries the ack's payload, ``lost`` is set when the connection of the last attempt broke."""

    what: str
    kind: str
    payload: Json
    done: asyncio.Future[Json | None]
    lost: asyncio.Event = field(default_factory=asyncio.Event)
    connection: Connection | None = None
    attempts: dict[str, tuple[int, float]] = field(default_factory=dict)


class Connections:
    """The open sockets. Tests break them with `drop` and `disconnect`."""

    def __init__(self) -> None:
        self.open: list[Connection] = []
        self.arrived = asyncio.Event()
        self._turn = 0

    def __len__(self) -> int:
        return len(self.open)

    def next(self) -> Connection | None:
        """The connection whose turn it is."""
        ready = [connection for connection in self.open if not connection.draining]
        if not ready:
            return None
        self._turn += 1
        return ready[self._turn % len(ready)]

    def drop(self, which: int | None = None) -> int:
        """Break connections without a goodbye, as a failing network does; ``which``: only the n-th. Returns how many."""
        broken = self.open if which is None else self.open[which : which + 1]
        for connection in list(broken):
            _abort(connection)
        return len(broken)

    def silence(self, which: int | None = None) -> int:
        """Make connections half-open, as a dead router does: frames and pings are swallowed, the socket stays. Returns how many."""
        silenced = self.open if which is None else self.open[which : which + 1]
        for connection in silenced:
            connection.silent = True
            transport = connection.request.transport
            if isinstance(transport, asyncio.ReadTransport):
                transport.pause_reading()
        return len(silenced)

    async def disconnect(self, reason: str = "refresh_requested") -> int:
        """Send a disconnect frame to all: ``warning`` (about ten seconds before), ``refresh_requested``, ``link_disabled``."""
        told = list(self.open)
        for connection in told:
            if reason != "warning" and not connection.draining:
                connection.draining = True
                asyncio.get_running_loop().call_later(REFRESH_GRACE_SECONDS, _abort, connection)
            frame = {"type": "disconnect", "reason": reason, "debug_info": {"host": "sandbox"}}
            await _send(connection, frame)
        return len(told)


class SocketMode:
    """The sending side. ``retry_delays`` in seconds after each failed attempt of an event; ``ack_timeout_s`` for every envelope."""

    def __init__(
        self,
        clock: Clock,
        wire: Wire,
        background: Background,
        app_id: str,
        *,
        retry_delays: Sequence[float],
        ack_timeout_s: float,
    ) -> None:
        self.connections = Connections()
        self._clock = clock
        self._wire = wire
        self._background = background
        self._app_id = app_id
        self._retry_delays = tuple(retry_delays)
        self._ack_timeout_s = ack_timeout_s
        self._tickets: dict[str, float] = {}
        self._waiting: dict[str, Delivery] = {}
        self._numbers = 0

    def ticket(self) -> str:
        """What apps.connections.open hands out: good for one connection, soon."""
        ticket = self._clock.id("ticket", 30).lower()
        self._tickets[ticket] = time.monotonic() + TICKET_SECONDS
        return ticket

    async def link(self, request: web.Request) -> web.StreamResponse:
        """One WebSocket from hello to its end."""
        if self._tickets.pop(request.query.get("ticket", ""), 0.0) < time.monotonic():
            raise web.HTTPForbidden(text="ticket is unknown, used or too old; call apps.connections.open again")
        socket = web.WebSocketResponse(timeout=CLOSE_SECONDS, max_msg_size=MOST_FRAME_BYTES)
        await socket.prepare(request)
        self._numbers += 1
        connection = Connection(self._numbers, socket, request)
        if len(self.connections) >= MOST_CONNECTIONS:
            await _send(connection, {"type": "disconnect", "reason": "too_many_websockets", "debug_info": {}})
            await socket.close()
            return socket
        self.connections.open.append(connection)
        try:
            await _send(connection, self._hello())
            self.connections.arrived.set()
            self._wire.feed.activity(f"socket {connection.number} open · {len(self.connections)} in all")
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    self._acknowledge(connection, frame.data)
        finally:
            self._closed(connection)
        return socket

    def deliver(self, payload: Json, what: str) -> None:
        """Send an event until somebody acknowledges it, or the last retry is over. Returns at once."""
        self._background.run(self._deliver(payload, what))

    async def ask(self, kind: str, payload: Json, what: str) -> Json | None:
        """Send a command (``slash_commands``) or an interaction (``interactive``) once; returns the payload of its ack.

        Raises `DispatchError`: dispatch_failed without a connection, operation_timeout without an ack in time.
        """
        delivery = self._delivery(kind, payload, what)
        try:
            if not await self._attempt(delivery, {"accepts_response_payload": True}):
                raise DispatchError("dispatch_failed", what)
            await self._settled(delivery)
            if delivery.done.done():
                return delivery.done.result()
            raise DispatchError("dispatch_failed" if delivery.lost.is_set() else "operation_timeout", what)
        finally:
            self._forget(delivery)

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self.connections),
            "debug_info": {"host": "sandbox", "build_number": 1, "approximate_connection_time": 18060},
            "connection_info": {"app_id": self._app_id},
        }

    def _delivery(self, kind: str, payload: Json, what: str) -> Delivery:
        return Delivery(what, kind, payload, asyncio.get_running_loop().create_future())

    async def _deliver(self, payload: Json, what: str) -> None:
        delivery = self._delivery("events_api", payload, what)
        reason = ""
        try:
            for number in range(len(self._retry_delays) + 1):
                if number:
                    await asyncio.wait({delivery.done}, timeout=self._retry_delays[number - 1])
                if delivery.done.done():  # a late ack of an earlier attempt counts
                    return
                retry = {"retry_attempt": number, "retry_reason": reason, "accepts_response_payload": False}
                if await self._attempt(delivery, retry):
                    await self._settled(delivery)
                if delivery.done.done():
                    return
                reason = "timeout"
            self._wire.given_up.append(payload)
            self._wire.feed.activity(f"✗ {what} was never acknowledged and is given up")
        finally:
            self._forget(delivery)

    async def _attempt(self, delivery: Delivery, extra: Json) -> bool:
        """Send once; False when there is no connection to send it to (events wait for one as long as for an ack)."""
        connection = self.connections.next()
        if connection is None and delivery.kind == "events_api":
            self.connections.arrived.clear()
            try:
                await asyncio.wait_for(self.connections.arrived.wait(), self._ack_timeout_s)
            except TimeoutError:
                return False
            connection = self.connections.next()
        if connection is None:
            return False
        envelope_id = self._clock.id("env", 30).lower()
        number = int(extra.get("retry_attempt", 0))
        delivery.attempts[envelope_id] = (number, time.perf_counter())
        delivery.connection = connection
        delivery.lost.clear()
        self._waiting[envelope_id] = delivery
        frame = {"envelope_id": envelope_id, "payload": delivery.payload, "type": delivery.kind, **extra}
        return await _send(connection, frame)

    async def _settled(self, delivery: Delivery) -> None:
        """Wait for the ack, the end of the connection, or the time limit, whichever is first."""
        lost = asyncio.ensure_future(delivery.lost.wait())
        ends: set[asyncio.Future[Any]] = {delivery.done, lost}
        try:
            await asyncio.wait(ends, timeout=self._ack_timeout_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            lost.cancel()

    def _acknowledge(self, connection: Connection, text: str) -> None:
        try:
            frame = json.loads(text)
        except ValueError:
            return
        envelope_id = frame.get("envelope_id") if isinstance(frame, dict) else None
        delivery = self._waiting.pop(envelope_id, None) if isinstance(envelope_id, str) else None
        if delivery is None:
            return
        number, sent = delivery.attempts[str(envelope_id)]
        payload = frame.get("payload")
        payload = payload if isinstance(payload, dict) else None
        self._wire.acked(
            Ack(
                envelope_id=str(envelope_id),
                type=delivery.kind,
                what=delivery.what,
                event_id=str(delivery.payload.get("event_id", "")),
                attempt=number,
                latency_ms=(time.perf_counter() - sent) * 1000,
                payload=payload,
                connection=connection.number,
            )
        )
        if not delivery.done.done():
            delivery.done.set_result(payload)

    def _closed(self, connection: Connection) -> None:
        if connection in self.connections.open:
            self.connections.open.remove(connection)
        for delivery in set(self._waiting.values()):
            if delivery.connection is connection:
                delivery.lost.set()
        self._wire.feed.activity(f"socket {connection.number} closed · {len(self.connections)} left")

    def _forget(self, delivery: Delivery) -> None:
        for envelope_id in delivery.attempts:
            self._waiting.pop(envelope_id, None)
        if not delivery.done.done():
            delivery.done.cancel()

    async def close(self) -> None:
        for connection in list(self.connections.open):
            if connection.silent:
                _abort(connection)
            else:
                await connection.socket.close()


async def _send(connection: Connection, frame: Json) -> bool:
    """Send one frame; False when the socket is closing or gone."""
    if connection.silent:
        return True
    try:
        await connection.socket.send_str(json.dumps(frame))
    except ConnectionError:
        return False
    return not connection.socket.closed


def _abort(connection: Connection) -> None:
    transport = connection.request.transport
    if transport is not None:
        transport.abort()


def check_app_token(token: str) -> None:
    """apps.connections.open takes app-level tokens only."""
    if not token:
        raise SlackError("not_authed")
    if not token.startswith("xapp-"):
        raise SlackError("invalid_auth" if not token.startswith("xox") else "not_allowed_token_type")
