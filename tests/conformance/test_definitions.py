"""What all tools together cost a model before it has asked anything, and what `rca tools` tells of them."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.commands import tools as command
from bot.observe import logs
from bot.settings import ServerSettings
from bot.tools.hub import Hub
from bot.tools.inventory import ToolInfo
from bot.tools.size import definition_tokens, tokens

LIMIT = 10_000
PAGE = Path(__file__).parents[2] / "docs" / "servers" / "tools.md"
NOWHERE = {
    "kubernetes": {"KUBECONFIG": "/nonexistent"},
    "signoz": {"RCA_SIGNOZ_CLICKHOUSE_URL": "http://u:p@127.0.0.1:9"},
    "clickhouse": {"RCA_CH_URL": "http://127.0.0.1:9"},
    "mongodb": {"RCA_MONGO_URI": "mongodb://127.0.0.1:9"},
}


async def inventory() -> dict[str, ToolInfo]:
    """The tools of our four servers, which are listed even while every backend is away."""
    hub = Hub([ServerSettings(name=name, env=env) for name, env in NOWHERE.items()])
    await hub.start()
    try:
        assert await hub.wait_ready(30), hub.health()
        return hub.inventory()
    finally:
        await hub.stop()


async def test_all_definitions_fit_their_budget_and_the_page_names_every_tool() -> None:
    tools = await inventory()
    rows = [command.row(info) for info in tools.values()]
    called = command.offered(rows)
    assert {row.tool.partition(".")[0] for row in called} == set(NOWHERE)
    assert not [row.tool for row in called if row.tool.endswith(".health")]
    assert sum(row.tokens for row in called) <= LIMIT
    assert sum(definition_tokens(info) for info in tools.values()) <= LIMIT
    assert max(row.tokens for row in called) <= LIMIT / 15  # no tool takes the room of the others
    named = set(re.findall(r"^\| `([a-z_.]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert named == set(tools), "make the page anew: python -m bench.tool_answers > docs/servers/tools.md"


def test_the_list_says_what_is_not_called_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("ERROR")  # as the command line does: its output is data
    file = tmp_path / "rca.yaml"
    file.write_text("servers:\n  - {name: kubernetes, env: {KUBECONFIG: /nonexistent}, deny: [get_pod_logs]}\n")
    assert command.run(file, "json") == 0
    rows = {row["tool"]: row for row in json.loads(capsys.readouterr().out)}
    assert "denied by 'get_pod_logs'" in rows["kubernetes.get_pod_logs"]["why_not"]
    assert rows["kubernetes.find_unhealthy"]["why_not"] == ""

    assert command.run(file, "text", pins=True) == 0
    pins = capsys.readouterr().out
    assert f"  find_unhealthy: {rows['kubernetes.find_unhealthy']['pin']}" in pins
    assert "get_pod_logs" not in pins

    assert command.run(file, "md") == 0
    assert "| `kubernetes.find_unhealthy` |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("", 0, 0),
        ("The quick brown fox jumps over the lazy dog.", 9, 11),
        ('{"type":"object","properties":{"name":{"type":"string"}}}', 16, 24),
        ("3f2a9c81e77b4d06", 6, 14),
    ],
)
def test_tokens_are_counted_near_enough(text: str, low: int, high: int) -> None:
    assert low <= tokens(text) <= high


@given(st.text(max_size=200), st.text(max_size=200))
def test_more_text_never_costs_less(one: str, two: str) -> None:
    assert tokens(f"{one} {two}") >= max(tokens(one), tokens(two))
