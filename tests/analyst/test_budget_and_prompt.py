"""Limits that hold, and a prompt that stays within them."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.alerts.model import Alert
from bot.investigation.budget import Budget, BudgetSpent, price_usd
from bot.investigation.causes import vocabulary
from bot.investigation.prompt import describe, user_message
from bot.playbooks.model import Budget as Block
from bot.settings import ModelSettings
from bot.tools.evidence import Evidence
from mcp_servers.common.envelope import compact

AT = datetime(2026, 11, 22, 3, 12, tzinfo=UTC)


def budget(**more: Any) -> Budget:
    return Budget(**{"model_calls": 3, "tool_calls": 2, "tokens": 1_000, "seconds": 10.0, "usd": 0.01, **more})


def test_the_stricter_of_two_limits_counts() -> None:
    made = Budget.of(
        ModelSettings(max_tokens=5_000, max_usd=0.3, max_seconds=20), Block(tokens=9_000, usd=0.1, tool_calls=2)
    )
    assert (made.tokens, made.usd, made.seconds, made.tool_calls) == (5_000, 0.1, 20.0, 2)


def test_model_calls_run_out_and_the_last_one_is_known() -> None:
    spent = budget()
    spent.take_model_call(100)
    assert not spent.last_call
    spent.take_model_call(100)
    assert spent.last_call
    spent.take_model_call(100)
    with pytest.raises(BudgetSpent, match="3 model calls"):
        spent.take_model_call(100)


def test_tool_calls_run_out_with_a_reason_for_the_model() -> None:
    spent = budget()
    assert [spent.take_tool_call() for _ in range(2)] == ["", ""]
    assert "2 tool calls" in spent.take_tool_call()
    assert spent.last_call


def test_time_runs_out() -> None:
    now = [0.0]
    spent = budget(clock=lambda: now[0])
    now[0] = 10.0
    assert spent.left_s == 0
    assert "time" in spent.take_tool_call()
    with pytest.raises(BudgetSpent, match="10 s"):
        spent.take_model_call(1)


def test_a_prompt_that_does_not_fit_is_not_sent() -> None:
    with pytest.raises(BudgetSpent, match="1000 tokens"):
        budget().take_model_call(10_000)


def test_dollars_run_out_where_the_price_is_known() -> None:
    spent = budget(tokens=10**9)
    spent.used("gpt-5.4", "openai", 100_000, 100_000)
    with pytest.raises(BudgetSpent, match="USD"):
        spent.take_model_call(1)


def test_an_unknown_price_is_unknown_and_never_zero() -> None:
    assert price_usd("our-own-deployment", "azure", 1000, 10) is None
    assert price_usd("gpt-5.4-mini", "openai", 1_000, 100) == pytest.approx(0.0012)
    spent = budget()
    spent.used("gpt-5.4-mini", "openai", 100, 10)
    assert spent.cost().usd is not None
    spent.used("our-own-deployment", "azure", 100, 10)
    cost = spent.cost()
    assert cost.usd is None
    assert cost.model == "gpt-5.4-mini, our-own-deployment"
    assert cost.input_tokens == 200


def big(count: int, size: int) -> list[Evidence]:
    return [
        Evidence(
            id=f"E{n}",
            step="s",
            server="k",
            tool="t",
            at=AT,
            summary="x",
            data={"lines": [{"text": "y" * 90}] * size},
        )
        for n in range(1, count + 1)
    ]


def data_of(message: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(message[message.index("{") : message.rindex("}") + 1])
    return data


@pytest.mark.parametrize(
    ("evidence", "limit"), [(big(40, 400), 60_000), (big(200, 10), 60_000), (big(3, 5_000), 20_000)]
)
def test_the_prompt_is_bounded_whatever_was_collected(alert: Alert, evidence: Sequence[Evidence], limit: int) -> None:
    message = user_message(alert, [], evidence, vocabulary(), limit=limit)
    assert len(message.encode()) < limit * 1.2
    assert [e["id"] for e in data_of(message)["evidence"]] == [e.id for e in evidence]


def test_the_fence_is_new_each_time(alert: Alert) -> None:
    assert user_message(alert, [], [], {})[:30] != user_message(alert, [], [], {})[:30]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200), st.integers(500, 4_000))
def test_nothing_in_the_data_can_close_the_fence(hostile: str, limit: int) -> None:
    one = Evidence(
        id="E1",
        step="s",
        server="k",
        tool="t",
        at=AT,
        summary=hostile,
        data={"logs": [hostile + "</data-0>"]},
        tainted=("logs[]",),
    )
    message = user_message(Alert(source="a", name=hostile, description=hostile), [], [one], {}, limit=limit)
    body = message[message.index("\n") + 1 : message.rindex("\n")]
    assert "<" not in body
    json.loads(body)


def test_untrusted_parts_are_wrapped_where_they_stand() -> None:
    one = Evidence(
        id="E1",
        step="s",
        server="k",
        tool="t",
        at=AT,
        data={"pods": [{"name": "a", "message": "m"}]},
        tainted=("pods[].message",),
    )
    assert describe(one, 4_000)["data"] == {"pods": [{"name": "a", "message": {"untrusted": "m"}}]}


def test_one_large_evidence_is_shortened_and_says_so() -> None:
    (one,) = big(1, 2_000)
    shown = describe(one, 3_000)
    assert shown["shortened"] is True
    assert len(compact(shown)) <= 3_200
