"""The reads over SigNoz's HTTP API: v5 builder queries and the endpoints that only read."""

import asyncio
import contextlib
import time

from mcp_servers.common.envelope import ToolFailure
from mcp_servers.signoz.settings import SigNozSettings
from mcp_servers.signoz.sources import Identity, Kind
from mcp_servers.signoz.sources.http_alerts import HttpAlerts
from mcp_servers.signoz.sources.http_client import Api, Missing
from mcp_servers.signoz.sources.http_exceptions import HttpExceptions
from mcp_servers.signoz.sources.http_logs import HttpLogs
from mcp_servers.signoz.sources.http_metrics import HttpMetrics
from mcp_servers.signoz.sources.http_query import Questions, Signal, nanoseconds, spec
from mcp_servers.signoz.sources.http_search import HttpSearch
from mcp_servers.signoz.sources.http_spans import HttpSpans

_NO_RULE = "00000000-0000-7000-8000-000000000000"


class HttpSource(HttpLogs, HttpSpans, HttpExceptions, HttpAlerts, HttpMetrics, HttpSearch):
    """See `Source`. ``api`` is open and stays this source's own."""

    backend = "signoz-http"

    def __init__(self, api: Api) -> None:
        super().__init__()
        self.api = api
        self.ask = Questions(api)
        self.service_keys = api.api.service_keys

    @classmethod
    async def open(cls, settings: SigNozSettings) -> "HttpSource":
        """Raises `ToolFailure`: UNAVAILABLE or UNAUTHORIZED. A key that may do more than read is told in `refusal`."""
        return cls(await Api.open(settings))

    @property
    def refusal(self) -> ToolFailure | None:
        return self.api.refusal

    async def close(self) -> None:
        reading = [task for _, task in self._reading.values() if not task.done()]
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        await self.api.close()

    async def identity(self) -> Identity:
        api = self.api
        with contextlib.suppress(Missing):  # told in its warnings
            await api.get("/api/v1/version")
        return Identity("SigNoz", api.api.url, api.version, api.user, None, api.roles, api.excess, tuple(api.warnings))

    async def probe(self, part: str) -> None:
        now = int(time.time())
        signals: dict[str, Signal] = {"logs": "logs", "traces": "traces"}
        if part in signals:
            await self.ask.rows(now - 60, now, spec(signals[part], limit=1, order=(("timestamp", "desc"),)))
        elif part == "exceptions":
            await self._groups(now - 60, now, "")
        elif part == "alerts":
            await self.alerts(now - 60, now)
        elif part == "rules":
            await self.rule(_NO_RULE)
        elif part == "metrics":
            await self.ask.api.get("/api/v2/metrics", start=str((now - 60) * 1000), end=str(now * 1000), limit="1")

    async def first(self, kind: Kind, from_s: int, to_s: int) -> int:
        if kind == "metrics":
            return await self.first_metric(from_s, to_s)
        rows = await self.ask.rows(from_s, to_s, spec(kind, limit=1, order=(("timestamp", "asc"),)))
        return nanoseconds(rows[0].get("timestamp")) // 10**9 if rows else 0
