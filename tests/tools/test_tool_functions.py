"""The model's way through the hub: named tools only, JSON with evidence ids, and a stop at the budget."""

import json
from collections.abc import Awaitable, Callable
from types import ModuleType
from typing import Any

import pytest

from bot.settings import ServerSettings
from bot.tools.evidence import Evidence
from bot.tools.functions import as_json, function_name, functions, offered
from bot.tools.hub import Hub

HubOf = Callable[..., Awaitable[Hub]]


@pytest.fixture
async def hub(hub_of: HubOf, toolbox: ModuleType) -> Hub:
    server = toolbox.build()

    @server.tool(annotations=toolbox.READ)
    async def by_team(team: str, files: int = 0) -> dict[str, Any]:
        return {"team": team, "files": files}

    return await hub_of(ServerSettings(name="box"), ready={"box": server})


def made(hub: Hub, *patterns: str, spend: Callable[[], str] = lambda: "") -> tuple[list[Any], list[Evidence]]:
    kept: list[Evidence] = []
    numbers = iter(range(7, 100))
    return functions(hub, patterns, next_id=lambda: f"E{next(numbers)}", spend=spend, record=kept.append), kept


async def test_only_named_and_allowed_tools_become_functions(hub: Hub) -> None:
    assert [i.name for i in offered(hub, ())] == []
    assert [i.name for i in offered(hub, ("box.e*", "!box.environment"))] == ["box.echo"]
    assert [i.name for i in offered(hub, ("*",))] == [
        "box.broken",
        "box.by_team",
        "box.echo",
        "box.environment",
        "box.prose",
        "box.slow",
    ]
    assert [i.name for i in offered(hub, ("box.unmarked", "box.delete_pod"))] == []


async def test_a_call_gives_json_with_its_evidence_id_and_is_recorded(hub: Hub) -> None:
    (echo,), kept = made(hub, "box.echo")
    assert echo.name == "box__echo"
    assert echo.parameters["required"] == ["text"]
    answer = json.loads(await echo.entrypoint(text="hi"))
    assert answer["evidence"] == "E7"
    assert answer["data"]["said"] == ["hi"]
    assert [(e.id, e.step, e.tool) for e in kept] == [("E7", "agent", "echo")]


async def test_a_failure_is_told_with_its_hint_and_recorded(hub: Hub) -> None:
    (echo,), kept = made(hub, "box.echo")
    answer = json.loads(await echo.entrypoint(txt="hi"))
    assert answer["status"] == "error"
    assert "did you mean text" in answer["error"]["message"]
    assert not kept[0].ok


async def test_when_the_budget_is_spent_no_call_is_made(hub: Hub) -> None:
    (echo,), kept = made(hub, "box.echo", spend=lambda: "spent")
    assert json.loads(await echo.entrypoint(text="hi")) == {"status": "refused", "reason": "spent"}
    assert kept == []


async def test_arguments_with_names_that_agno_keeps_for_itself_reach_the_tool(hub: Hub) -> None:
    from agno.tools.function import FunctionCall

    (by_team,), kept = made(hub, "box.by_team")
    assert list(by_team.parameters["properties"]) == ["team_", "files_"]
    assert by_team.parameters["required"] == ["team_"]
    result = await FunctionCall(function=by_team, arguments={"team_": "pay", "files_": 2}).aexecute()
    assert result.status == "success"
    assert kept[0].arguments == {"team": "pay", "files": 2}
    assert kept[0].data == {"team": "pay", "files": 2}


@pytest.mark.parametrize("tool", ["box.echo", "a.b.c/d", "x." + "y" * 200])
def test_function_names_are_what_models_accept(tool: str) -> None:
    name = function_name(tool)
    assert len(name) <= 64
    assert name.replace("_", "").replace("-", "").isalnum()


async def test_a_large_answer_is_left_out_whole_and_not_cut(hub: Hub) -> None:
    evidence = (await hub.call("box.echo", {"text": "z" * 9_000}, id="E1", step="s")).model_copy(
        update={"data": {"x": ["y" * 100] * 500}, "text": "beginning"}
    )
    shown = json.loads(as_json(evidence))
    assert "too large" in shown["left_out"]
    assert len(as_json(evidence).encode()) < 12_000
