"""``/livez``, ``/readyz`` and ``/metrics`` on a port of their own.

Live means: this process answers. Ready means: every registered check passes within its time. The answer of ``/readyz`` names failing checks
and nothing else, because reasons hold addresses and errors that do not belong on an open port; they are in the log.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bot.observe.metrics import CONTENT_TYPE, METRICS, Metrics

Check = Callable[[], Awaitable[bool]]
CHECK_SECONDS = 2.0
_log: structlog.stdlib.BoundLogger = structlog.get_logger("rca.health")


class HealthError(Exception):
    """The endpoint cannot be opened; the message says why and what to do."""


class Health:
    """Named checks and the endpoint that shows them. ``port`` 0 takes a free one; the real one is in `port` after `start`."""

    def __init__(
        self,
        port: int,
        host: str = "0.0.0.0",  # noqa: S104 - probes come from outside the pod
        metrics: Metrics = METRICS,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        self.port = port
        self._host = host
        self._metrics = metrics
        self._seconds = check_seconds
        self._checks: dict[str, Check] = {}
        self._failing: frozenset[str] = frozenset()
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None
        self.app = Starlette(
            routes=[
                Route("/livez", self._livez),
                Route("/readyz", self._readyz),
                Route("/metrics", self._exposition),
            ]
        )

    def add(self, name: str, check: Check) -> None:
        """Register a check: true is ready; false, an error or silence for longer than two seconds is not."""
        self._checks[name] = check

    def remove(self, name: str) -> None:
        """Forget a check; one that is not there is no error."""
        self._checks.pop(name, None)

    async def failing(self) -> list[str]:
        """The names of the checks that do not pass now, sorted. All run at once."""
        names = sorted(self._checks)
        passed = await asyncio.gather(*(self._run(name, self._checks[name]) for name in names))
        failing = [name for name, ok in zip(names, passed, strict=True) if not ok]
        if frozenset(failing) != self._failing:
            self._failing = frozenset(failing)
            _log.info("readiness changed", ready=not failing, failing=failing)
        return failing

    async def _run(self, name: str, check: Check) -> bool:
        try:
            async with asyncio.timeout(self._seconds):
                return bool(await check())
        except TimeoutError:
            _log.warning("a readiness check gave no answer", check=name, seconds=self._seconds)
        except Exception as error:  # noqa: BLE001 - whatever a check raises means "not ready"; it is logged, not hidden
            _log.warning("a readiness check failed", check=name, error=f"{type(error).__name__}: {error}"[:300])
        return False

    async def start(self) -> None:
        """Serve until `stop`, in the running loop. Raises `HealthError` when the port cannot be had."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((self._host, self.port))
        except OSError as error:
            sock.close()
            raise HealthError(
                f"port {self.port} for /livez and /readyz cannot be opened: {error.strerror}; set RCA_HEALTH_PORT to a free port, or 0"
            ) from error
        self._socket = sock
        self.port = sock.getsockname()[1]
        config = uvicorn.Config(
            self.app,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
            timeout_keep_alive=5,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[sock]), name="health")
        up = asyncio.create_task(self._server.up.wait())
        await asyncio.wait({up, self._task}, return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if self._task.done():
            self._task.result()
            raise HealthError(f"the endpoint on port {self.port} ended at once")

    async def stop(self) -> None:
        """Answer what is being asked, then close. Safe to call twice."""
        server, task, self._server, self._task = self._server, self._task, None, None
        if server is None or task is None:
            return
        server.should_exit = True
        try:
            await asyncio.wait_for(asyncio.shield(task), 4)
        except TimeoutError:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def _livez(self, _request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def _readyz(self, _request: Request) -> Response:
        failing = await self.failing()
        return JSONResponse({"ready": not failing, "failing": failing}, status_code=503 if failing else 200)

    async def _exposition(self, _request: Request) -> Response:
        return Response(self._metrics.exposition(), media_type=CONTENT_TYPE)


class _Server(uvicorn.Server):
    """uvicorn inside somebody else's loop: signals stay with the bot, and `up` tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
