"""Servers that are not ours, behind our hub, exactly as docs/plug-in-a-server.md says: its configuration and its playbook are what runs here.

Nothing is installed here. RCA_TEST_KUBERNETES_MCP_SERVER and RCA_TEST_MCP_CLICKHOUSE name the programs, else they are looked for on PATH:
``npm install --prefix DIR kubernetes-mcp-server-linux-amd64`` and ``pip install mcp-clickhouse`` (in an environment of its own).
"""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from conformance_kit import ROOT

from bot.alerts.model import Alert
from bot.investigation.investigator import Investigator
from bot.playbooks.loader import load_library
from bot.playbooks.router import Choice
from bot.settings import Settings, load
from bot.tools.evidence import Evidence
from bot.tools.hub import Hub
from bot.wiring import open_hub

PROGRAMS = {
    "kubernetes-mcp-server": os.environ.get("RCA_TEST_KUBERNETES_MCP_SERVER") or shutil.which("kubernetes-mcp-server"),
    "mcp-clickhouse": os.environ.get("RCA_TEST_MCP_CLICKHOUSE") or shutil.which("mcp-clickhouse"),
}
MISSING = [name for name, path in PROGRAMS.items() if not (path and Path(path).is_file())]
pytestmark = [
    pytest.mark.foreign,
    pytest.mark.skipif(
        bool(MISSING),
        reason=f"not installed: {', '.join(MISSING)}; RCA_TEST_… names their programs (see this file's heading)",
    ),
]
PAGE = ROOT / "docs" / "plug-in-a-server.md"
Json = dict[str, Any]


def fences() -> list[str]:
    """The YAML blocks of the page, in their order: the configuration, then the playbook."""
    return re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def configured(environments: Callable[[str], dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("foreign")
    configuration, _ = fences()
    path = folder / "rca.yaml"
    path.write_text(configuration, encoding="utf-8")
    store = environments("clickhouse")
    environ = {
        "KUBECONFIG": environments("kubernetes")["KUBECONFIG"],
        "CLICKHOUSE_HOST": "127.0.0.1",
        "CLICKHOUSE_PORT": store["RCA_CH_URL"].rsplit(":", 1)[1],
        "CLICKHOUSE_USER": store["RCA_CH_USER"],
        "CLICKHOUSE_PASSWORD": store["RCA_CH_PASSWORD"],
        "CLICKHOUSE_SECURE": "false",
    }
    settings = load(path, environ)
    found = tuple(s.model_copy(update={"command": str(PROGRAMS[s.command])}) for s in settings.servers)
    return settings.model_copy(update={"servers": found})


@asynccontextmanager
async def hub_of(settings: Settings) -> AsyncIterator[Hub]:
    async with open_hub(settings) as hub:
        await hub.wait_ready(40)
        assert all(health.ok for health in hub.health()), hub.health()
        yield hub


async def ask(hub: Hub, tool: str, **arguments: Any) -> Evidence:
    return await hub.call(tool, arguments, id="E1", step="s")


async def test_a_playbook_runs_on_servers_that_are_not_ours(configured: Settings, tmp_path: Path) -> None:
    _, playbook = fences()
    (tmp_path / "errors.yaml").write_text(playbook, encoding="utf-8")
    library = load_library([tmp_path], shipped=False)
    assert library.problems == ()
    book = library.playbooks["errors-in-the-store"]
    async with hub_of(configured) as hub:
        investigator = Investigator(hub, lambda alert, pin: Choice(playbook=book, stage="pin", because="test"))
        alert = Alert(source="test", name="StoreErrors", namespace="shop")
        report = await investigator.investigate(alert, investigation="foreign-1")
    assert report.ran == (2, 2), report.checks
    (finding,) = [f for f in report.findings if f.id == "errors_logged"]
    assert re.fullmatch(r"[1-9]\d* errors in the store", finding.title)
    assert all(evidence.tainted == ("*",) and not evidence.signals for evidence in report.evidence)


async def test_answers_are_read_redacted_and_bounded(configured: Settings) -> None:
    async with hub_of(configured) as hub:
        events, pods, secret, flood = await asyncio.gather(
            ask(hub, "kubeofficial.events_list", namespace="shop"),
            ask(hub, "kubeofficial.pods_list_in_namespace", namespace="shop"),
            ask(hub, "chofficial.run_query", query="SELECT 'password=hunter2hunter2 AKIAIOSFODNN7EXAMPLE' AS b"),
            ask(hub, "chofficial.run_query", query="SELECT body FROM signoz_logs.logs_v2 LIMIT 2000"),
        )
    assert {"Reason", "Message"} <= set(events.data[0])  # YAML in text became a list of objects
    assert pods.data, pods
    assert secret.data["rows"] == [["password=[redacted] [redacted:aws]"]]
    assert flood.truncated
    assert len(str(flood.data)) < 30_000


async def test_what_may_write_or_run_is_not_called(configured: Settings) -> None:
    async with hub_of(configured) as hub:
        inventory = hub.inventory()
        assert not [
            name for name, info in inventory.items() if info.allowed and re.search("exec|delete|create|scale", name)
        ]
        assert inventory["kubeofficial.nodes_log"].state == "denied"  # read-only by its own word, but nobody listed it
        before = (await ask(hub, "chofficial.run_query", query="SELECT count() FROM signoz_logs.logs_v2")).data
        for statement in ("DROP TABLE signoz_logs.logs_v2", "INSERT INTO signoz_logs.logs_v2 (body) VALUES ('x')"):
            refused = await ask(hub, "chofficial.run_query", query=statement)
            assert refused.error is not None, statement
        again = (await ask(hub, "chofficial.run_query", query="SELECT  count() FROM signoz_logs.logs_v2")).data
        assert again["rows"] == before["rows"]

    # The server offers everything (no --read-only), somebody allowed all of it: names that write stay out, and so do denied ones.
    official = configured.servers[0]
    reckless = official.model_copy(
        update={"allow": ("*",), "args": tuple(a for a in official.args if a != "--read-only"), "trusted_tools": ("*",)}
    )
    async with hub_of(configured.model_copy(update={"servers": (reckless,)})) as hub:
        offered = {info.tool: info for info in hub.inventory().values()}
        assert {"pods_exec", "pods_delete", "pods_run", "resources_create_or_update"} <= set(offered)
        for tool in ("pods_exec", "pods_delete", "pods_run", "resources_create_or_update"):
            assert not offered[tool].allowed
            refused = await ask(hub, f"kubeofficial.{tool}", namespace="shop", name="checkout")
            assert refused.error is not None
            assert refused.error.code == "FORBIDDEN"


async def test_a_pin_that_does_not_fit_switches_the_tool_off(configured: Settings) -> None:
    store = configured.servers[1].model_copy(update={"pins": {"run_query": "0" * 64}})
    async with hub_of(configured.model_copy(update={"servers": (store,)})) as hub:
        refused = await ask(hub, "chofficial.run_query", query="SELECT 1")
        assert refused.error is not None
        assert refused.error.code == "FORBIDDEN"
        assert "not the pinned one" in refused.error.message
        assert (await ask(hub, "chofficial.list_databases")).ok
