"""Which source the settings ask for: the store where its address is known, else the API; with both, alerts come from the API."""

from mcp_servers.common.envelope import ToolFailure
from mcp_servers.signoz.client import Store
from mcp_servers.signoz.settings import SigNozSettings
from mcp_servers.signoz.sources import Read, Source
from mcp_servers.signoz.sources.clickhouse import ClickHouseSource
from mcp_servers.signoz.sources.http import HttpSource


class StoreWithAlerts(ClickHouseSource):
    """Telemetry from the store; alerts and rules from SigNoz itself, which knows thresholds and conditions."""

    def __init__(self, store: Store, api: HttpSource) -> None:
        super().__init__(store)
        self.signoz = api

    @property
    def refusal(self) -> ToolFailure | None:
        return self.store.refusal or self.signoz.refusal

    async def close(self) -> None:
        await self.signoz.close()
        await super().close()

    async def probe(self, part: str) -> None:
        await (self.signoz.probe(part) if part in ("alerts", "rules") else super().probe(part))

    async def alerts(self, from_s: int, to_s: int) -> Read:
        return await self.signoz.alerts(from_s, to_s)

    async def rule(self, rule_id: str) -> Read:
        return await self.signoz.rule(rule_id)

    async def rule_history(self, rule_id: str, from_s: int, to_s: int) -> Read:
        return await self.signoz.rule_history(rule_id, from_s, to_s)


async def opened(settings: SigNozSettings) -> Source:
    """Raises `ToolFailure`: UNAVAILABLE or UNAUTHORIZED."""
    if not settings.url:
        return await HttpSource.open(settings)
    store = await Store.open(settings)
    if settings.api is None:
        return ClickHouseSource(store)
    try:
        return StoreWithAlerts(store, await HttpSource.open(settings))
    except BaseException:
        await store.close()
        raise
