"""Fixtures of this folder. Backends and HTTP servers live as long as the file that uses them; see `conformance_kit`."""

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from mcp.client import Client

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "servers")]  # pytest's importlib mode adds no paths

from conformance_kit import Backstage, Opener, child, cluster, create, http_client, over_http, telemetry  # noqa: E402
from mongo_fixture import fill, secantus  # noqa: E402


@pytest.fixture(scope="module")
def backstage() -> Iterator[Backstage]:
    stage = Backstage()
    yield stage
    stage.close()


@pytest.fixture(scope="module")
def environments(
    backstage: Backstage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], dict[str, str]]]:
    """The environment of each server, its backend started when first asked for. ClickHouse and SigNoz read one engine."""
    folder = tmp_path_factory.mktemp("conformance")
    made: dict[str, dict[str, str]] = {}
    with ExitStack() as stack:

        def environment(server: str) -> dict[str, str]:
            if server in made:
                return made[server]
            if server == "kubernetes":
                made[server] = {"KUBECONFIG": stack.enter_context(cluster(backstage, folder))}
            elif server == "mongodb":
                port = stack.enter_context(secantus(folder / "mongo"))
                fill(port)
                made[server] = {"RCA_MONGO_URI": f"mongodb://127.0.0.1:{port}/?directConnection=true"}
                made[server]["RCA_ALLOW_PRIVILEGED"] = "1"  # this wire server has no users unless told to
            else:
                url = stack.enter_context(telemetry())
                made["signoz"] = {"RCA_SIGNOZ_CLICKHOUSE_URL": url}
                at = urlsplit(url)
                made["clickhouse"] = {
                    "RCA_CH_URL": f"http://{at.hostname}:{at.port}",
                    "RCA_CH_USER": at.username or "",
                    "RCA_CH_PASSWORD": unquote(at.password or ""),
                }
            return made[server]

        yield environment


@pytest.fixture(scope="module")
def connect(backstage: Backstage, environments: Callable[[str], dict[str, str]]) -> Iterator[Opener]:
    """Opens a client to a server over a transport. HTTP servers stay up for the module; a child lives as long as its client."""
    urls: dict[str, str] = {}
    with ExitStack() as stack:

        @asynccontextmanager
        async def opened(server: str, transport: str, **options: Any) -> AsyncIterator[Client]:
            environ = environments(server)
            if transport == "http":
                if server not in urls:
                    urls[server] = stack.enter_context(over_http(backstage, server, environ))
                async with http_client(urls[server], **options) as client:
                    yield client
                return
            target = create(server, environ) if transport == "in process" else child(server, environ)
            async with Client(target, **options) as client:
                yield client

        yield opened
