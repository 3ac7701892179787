"""The parts of a call, each alone: argument check, shared flights, breaker."""

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.tools.arguments import ArgumentCheck
from bot.tools.cache import SingleFlightCache, canonical
from mcp_servers.common.breaker import Breaker

SCHEMA = {
    "type": "object",
    "properties": {
        "namespace": {"type": "string", "pattern": "^[a-z0-9-]+$"},
        "limit": {"type": "integer", "minimum": 1, "maximum": 50},
    },
    "required": ["namespace"],
}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"namespace": "shop"}, ""),
        ({"namespace": "shop", "limit": 5}, ""),
        ({}, "'namespace' is a required property"),
        ({"namespace": "shop", "nampespace": "x"}, "did you mean namespace"),
        ({"namespace": "shop", "timeRange": "1h"}, "unknown argument 'timeRange'; known: limit, namespace"),
        ({"namespace": "SHOP"}, "does not match"),
        ({"namespace": "shop", "limit": 99}, "argument 'limit'"),
        ({"namespace": 5}, "argument 'namespace'"),
    ],
)
def test_arguments_are_checked_before_the_call(arguments: dict[str, object], says: str) -> None:
    problem = ArgumentCheck(SCHEMA).problem(arguments)
    assert says in problem
    assert bool(says) == bool(problem)


def test_a_schema_that_says_it_takes_anything_takes_anything() -> None:
    assert ArgumentCheck({"type": "object", "additionalProperties": True}).problem({"x": 1}) == ""
    assert "unknown argument" in ArgumentCheck({"type": "object"}).problem({"x": 1})


def test_a_hostile_pattern_in_a_schema_cannot_stall_the_bot() -> None:
    check = ArgumentCheck({"type": "object", "properties": {"q": {"type": "string", "pattern": "^(a+)+$"}}})
    began = time.perf_counter()
    assert check.problem({"q": "a" * 40 + "!"})
    assert time.perf_counter() - began < 1.0


def test_a_remote_reference_in_a_schema_is_never_fetched() -> None:
    check = ArgumentCheck({"type": "object", "properties": {"q": {"$ref": "http://127.0.0.1:9/schema.json"}}})
    assert "cannot be resolved" in check.problem({"q": 1})


def test_a_broken_schema_is_the_tools_fault() -> None:
    assert "own argument schema" in ArgumentCheck({"type": "nonsense"}).problem({})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(max_size=12), json_values, max_size=4))
def test_any_arguments_get_a_verdict(arguments: dict[str, object]) -> None:
    assert isinstance(ArgumentCheck(SCHEMA).problem(arguments), str)


def test_equal_arguments_have_one_key() -> None:
    assert canonical({"a": 1, "b": [1, {"y": 2, "x": 1}]}) == canonical({"b": [1, {"x": 1, "y": 2}], "a": 1})


class Fetch:
    def __init__(self, answer: str = "x", seconds: float = 0.02) -> None:
        self.calls, self.cancelled, self.answer, self.seconds = 0, 0, answer, seconds

    async def __call__(self) -> str:
        self.calls += 1
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.answer


async def test_equal_calls_at_the_same_time_are_one() -> None:
    cache: SingleFlightCache[str] = SingleFlightCache(15, keep=lambda _: True)
    fetch = Fetch()
    answers = await asyncio.gather(*(cache.get("k", fetch) for _ in range(10)))
    assert fetch.calls == 1
    assert sorted(shared for _, shared in answers) == [False] + [True] * 9


async def test_an_answer_is_kept_for_its_time_and_a_failure_is_not() -> None:
    now = [0.0]
    cache: SingleFlightCache[str] = SingleFlightCache(15, keep=lambda a: a != "failed", clock=lambda: now[0])
    good, bad = Fetch(), Fetch("failed")
    await cache.get("good", good)
    assert (await cache.get("good", good))[1] is True
    await cache.get("bad", bad)
    assert (await cache.get("bad", bad))[1] is False
    now[0] = 15.1
    assert (await cache.get("good", good))[1] is False
    assert (good.calls, bad.calls) == (2, 2)


async def test_the_first_caller_may_leave_without_harm_to_the_others() -> None:
    cache: SingleFlightCache[str] = SingleFlightCache(0, keep=lambda _: True)
    fetch = Fetch(seconds=0.1)
    first = asyncio.create_task(cache.get("k", fetch))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(cache.get("k", fetch))
    await asyncio.sleep(0.01)
    first.cancel()
    assert await second == ("x", True)
    assert (fetch.calls, fetch.cancelled) == (1, 0)


async def test_when_the_last_caller_leaves_the_call_is_cancelled_and_waited_for() -> None:
    cache: SingleFlightCache[str] = SingleFlightCache(0, keep=lambda _: True)
    fetch = Fetch(seconds=5)
    task = asyncio.create_task(cache.get("k", fetch))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert fetch.cancelled == 1
    assert [t for t in asyncio.all_tasks() if t.get_name().startswith("tool call")] == []


def test_the_breaker_opens_after_five_failures_and_lets_one_trial_through_later() -> None:
    now = [0.0]
    breaker = Breaker(clock=lambda: now[0])
    for _ in range(4):
        breaker.failed("slow")
    assert breaker.admits()
    breaker.failed("slow")
    assert not breaker.admits()
    assert breaker.left_s == 30.0
    now[0] = 30.0
    assert breaker.admits()
    assert not breaker.admits()
    breaker.failed("still slow")
    assert not breaker.admits()
    now[0] = 60.0
    assert breaker.admits()
    breaker.succeeded()
    assert breaker.admits()
    assert breaker.left_s == 0


def test_a_new_connection_forgives_that_there_was_none_but_not_calls_that_died() -> None:
    breaker = Breaker(clock=lambda: 0.0)
    for _ in range(4):
        breaker.failed("not connected", reached=False)
    breaker.failed("the connection was lost")
    assert not breaker.admits()
    breaker.connected()
    assert breaker.admits()
    for _ in range(4):
        breaker.failed("the connection was lost")
    breaker.connected()
    assert not breaker.admits()


def test_an_abandoned_trial_may_be_tried_again() -> None:
    now = [0.0]
    breaker = Breaker(failures=1, clock=lambda: now[0])
    breaker.failed("x")
    now[0] = 31
    assert breaker.admits()
    breaker.abandoned()
    assert breaker.admits()


def test_a_success_between_failures_starts_the_count_anew() -> None:
    breaker = Breaker()
    for _ in range(20):
        breaker.failed("x")
        breaker.succeeded()
    assert breaker.admits()
