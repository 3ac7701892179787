"""The endpoint, asked over a real socket."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from bot.observe.health import Health, HealthError
from bot.observe.metrics import Metrics


@pytest.fixture
async def health() -> AsyncIterator[Health]:
    endpoint = Health(0, "127.0.0.1", Metrics(), check_seconds=0.2)
    await endpoint.start()
    yield endpoint
    await endpoint.stop()


async def ask(health: Health, path: str) -> tuple[int, str, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{health.port}{path}") as answer:
        return answer.status, await answer.text(), answer.headers["content-type"]


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


async def broken() -> bool:
    raise ConnectionError("db.internal:5432 refused, password=x")


async def silent() -> bool:
    await asyncio.sleep(60)
    return True


async def test_live_while_nothing_is_ready(health: Health) -> None:
    health.add("store", no)
    assert (await ask(health, "/livez"))[:2] == (200, "ok\n")


async def test_ready_only_when_every_check_passes(health: Health) -> None:
    health.add("slack", yes)
    assert (await ask(health, "/readyz"))[:2] == (200, '{"ready":true,"failing":[]}')
    health.add("store", no)
    assert (await ask(health, "/readyz"))[:2] == (503, '{"ready":false,"failing":["store"]}')
    health.remove("store")
    assert (await ask(health, "/readyz"))[0] == 200


async def test_errors_and_silence_are_failures_and_their_reasons_stay_inside(health: Health) -> None:
    health.add("store", broken)
    health.add("kubernetes", silent)
    status, text, _ = await ask(health, "/readyz")
    assert (status, text) == (503, '{"ready":false,"failing":["kubernetes","store"]}')


async def test_metrics_of_its_own_registry() -> None:
    metrics = Metrics()
    metrics.alerts_received.labels(outcome="started").inc()
    metrics.tool_calls.labels(server="kubernetes", tool="get_pod_status", status="ok").inc(2)
    endpoint = Health(0, "127.0.0.1", metrics)
    await endpoint.start()
    try:
        status, text, kind = await ask(endpoint, "/metrics")
    finally:
        await endpoint.stop()
    assert status == 200
    assert kind.startswith("text/plain")
    assert 'rca_alerts_received_total{outcome="started"} 1.0' in text
    assert 'rca_tool_calls_total{server="kubernetes",status="ok",tool="get_pod_status"} 2.0' in text
    assert "python_gc" not in text


async def test_stopping_frees_the_port_and_may_be_repeated(health: Health) -> None:
    port = health.port
    await health.stop()
    await health.stop()
    again = Health(port, "127.0.0.1", Metrics())
    await again.start()
    await again.stop()


async def test_a_taken_port_is_said_with_a_mend(health: Health) -> None:
    second = Health(health.port, "127.0.0.1", Metrics())
    with pytest.raises(HealthError, match=f"port {health.port} .* RCA_HEALTH_PORT"):
        await second.start()
    await second.stop()
