"""Alertmanager's list of alerts: two reads of ``/api/v2/alerts``, bounded in time and size. Never anything but GET."""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from bot.alerts.found_again import query_of
from bot.alerts.model import Alert
from bot.alerts.parse import parse

TIMEOUT_S: Final = 3.0
MAX_BYTES: Final = 4_000_000
MAX_ALERTS: Final = 500


class NotAnswered(Exception):
    """Alertmanager did not say; the message says why, on one line."""


class Alertmanager:
    """``url`` is its address as the bot reaches it, path prefix included; ``token`` a bearer token, "" for none."""

    def __init__(self, url: str, token: str = "", *, timeout_s: float = TIMEOUT_S) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    @property
    def host(self) -> str:
        return urlsplit(self._url).netloc

    async def named(self, name: str) -> tuple[Alert, ...]:
        """Every alert of this rule that it has now, silenced ones included. Raises `NotAnswered`."""
        return _alerts(await self._get([_matcher("alertname", name)]))

    async def knows(self, labels: Mapping[str, str]) -> bool:
        """Whether it has any alert with all of these labels. Raises `NotAnswered`."""
        return bool(await self._get([_matcher(k, v) for k, v in sorted(labels.items())]))

    async def _get(self, matchers: list[str]) -> list[Any]:
        address = f"{self._url}/api/v2/alerts"
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout, headers=self._headers) as session,
                session.get(address, params=[("filter", m) for m in matchers], allow_redirects=False) as response,
            ):
                if response.status != 200:
                    raise NotAnswered(f"{self.host} answered HTTP {response.status}")
                body = await _read(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise NotAnswered(f"{self.host} did not answer ({type(error).__name__})") from error
        try:
            found = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise NotAnswered(f"{self.host} answered something that is not JSON") from error
        if not isinstance(found, list):
            raise NotAnswered(f"{self.host} answered something that is no list of alerts")
        return found[:MAX_ALERTS]


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65_536):
        body += chunk
        if len(body) > MAX_BYTES:
            raise NotAnswered(f"{response.url.host} answered more than {MAX_BYTES // 1_000_000} MB")
    return bytes(body)


def _matcher(name: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{name}="{escaped}"'


def _alerts(rows: list[Any]) -> tuple[Alert, ...]:
    """Read by the same code as a webhook of Alertmanager, so that the same names mean the same things."""
    made = []
    for row in rows:
        if not isinstance(row, dict):
            continue
        shape = {k: row[k] for k in ("labels", "annotations", "startsAt", "endsAt", "generatorURL") if k in row}
        parsed = parse({"version": "4", "status": "firing", "receiver": "", "alerts": [{**shape, "status": "firing"}]})
        for alert in parsed.alerts[:1]:
            expr = alert.expr or query_of(str(row.get("generatorURL") or ""))
            made.append(alert.model_copy(update={"expr": expr, "status": "firing"}))
    return tuple(made)
