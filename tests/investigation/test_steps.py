"""How steps run: in parallel, in the right order, surviving failures, resuming from the journal."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.alerts.model import Alert
from bot.investigation.journal import NoJournal
from bot.investigation.model import StepView
from bot.investigation.steps import StepRun, clip
from bot.playbooks.model import Playbook
from bot.playbooks.plan import Plan
from bot.tools.evidence import Evidence
from mcp_servers.common.envelope import ErrorInfo

ALERT = Alert(source="test", name="KubePodCrashLooping", namespace="shop", pod="checkout-1")


class Tools:
    """Answers by tool name; an `ErrorInfo` is a failure; remembers what it was asked."""

    def __init__(self, answers: Mapping[str, Any], delay: float = 0.0) -> None:
        self.answers, self.delay = answers, delay
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def has_server(self, name: str) -> bool:
        return name != "absent"

    async def call(
        self, tool: str, arguments: dict[str, Any], *, id: str, step: str, title: str = "", timeout: float | None = None
    ) -> Evidence:
        self.asked.append((tool, arguments))
        await asyncio.sleep(self.delay)
        answer = self.answers[tool]
        if isinstance(answer, list):
            answer = answer.pop(0)
        server, _, name = tool.partition(".")
        common: dict[str, Any] = {
            "id": id,
            "step": step,
            "title": title,
            "server": server,
            "tool": name,
            "at": datetime.now(UTC),
        }
        if isinstance(answer, ErrorInfo):
            return Evidence(**common, status="error", error=answer, summary=answer.message)
        return Evidence(**common, data=answer, summary=str(answer.get("summary", "")))


class Kept(NoJournal):
    def __init__(self, kept: dict[str, list[Evidence]] | None = None) -> None:
        self.kept = kept or {}

    async def load(self) -> dict[str, list[Evidence]]:
        return dict(self.kept)

    async def save(self, step: str, evidence: list[Evidence]) -> None:
        self.kept[step] = evidence


def book(*steps: dict[str, Any], **more: Any) -> Playbook:
    fields = {"version": 1, "id": "test-book", "title": "Test", "description": "A playbook for tests", **more}
    return Playbook.model_validate(
        {**fields, "steps": [{"title": s["id"], "tool": f"t.{s['id']}", **s} for s in steps]}
    )


def running(
    playbook: Playbook, tools: Tools, journal: Kept | None = None
) -> tuple[StepRun, list[tuple[StepView, ...]]]:
    seen: list[tuple[StepView, ...]] = []
    return StepRun(playbook, Plan.of(playbook), ALERT, tools, journal or Kept(), seen.append), seen


async def test_independent_steps_run_at_once_and_dependent_ones_wait() -> None:
    playbook = book({"id": "a"}, {"id": "b"}, {"id": "c", "args": {"x": "{{ steps.a.value }}"}})
    tools = Tools({"t.a": {"value": 7}, "t.b": {}, "t.c": {}}, delay=0.05)
    run, _ = running(playbook, tools)
    start = time.monotonic()
    results = await run.run()
    assert time.monotonic() - start < 0.145  # two rounds, not three
    assert [r.status for r in results.values()] == ["ok"] * 3
    assert ("t.c", {"x": 7}) in tools.asked  # the value keeps its type


async def test_evidence_ids_follow_the_playbook_not_the_clock() -> None:
    playbook = book({"id": "slow", "args": {"x": "{{ steps.quick.value }}"}}, {"id": "quick"})
    run, _ = running(playbook, Tools({"t.slow": {}, "t.quick": {"value": 1}}))
    await run.run()
    assert {e.step: e.id for found in run.evidence.values() for e in found} == {"slow": "E1", "quick": "E2"}


async def test_what_needs_a_failed_step_is_skipped_and_says_so_and_the_rest_goes_on() -> None:
    away = ErrorInfo(code="UNAVAILABLE", message="the API server does not answer")
    playbook = book({"id": "a"}, {"id": "b", "args": {"x": "{{ steps.a.value }}"}}, {"id": "c"})
    run, _ = running(playbook, Tools({"t.a": away, "t.c": {}}))
    results = await run.run()
    assert results["a"].status == "error"
    assert "does not answer" in results["a"].error
    assert (results["b"].status, results["b"].error) == ("skipped", "needs “a”, which failed")
    assert results["c"].status == "ok"


async def test_a_missing_value_fails_the_step_and_names_the_field_without_a_call() -> None:
    playbook = book({"id": "a"}, {"id": "b", "args": {"name": "{{ steps.a.nothing }}"}})
    tools = Tools({"t.a": {}})
    run, _ = running(playbook, tools)
    results = await run.run()
    assert "argument name: steps.a.nothing is not there" in results["b"].error
    assert [t for t, _ in tools.asked] == ["t.a"]


async def test_optional_arguments_are_left_out_when_they_are_empty() -> None:
    playbook = book({"id": "a", "args": {"n": "{{ alert.node }}", "m": "{{ alert.pod }}"}, "optional_args": ["n"]})
    tools = Tools({"t.a": {}})
    run, _ = running(playbook, tools)
    await run.run()
    assert tools.asked == [("t.a", {"m": "checkout-1"})]


async def test_a_step_whose_condition_is_false_is_not_needed() -> None:
    playbook = book({"id": "a"}, {"id": "b", "when": "steps.a.count > 3"})
    run, _ = running(playbook, Tools({"t.a": {"count": 1}}))
    assert (await run.run())["b"].error == "not needed here"


async def test_for_each_calls_once_an_item_up_to_its_limit() -> None:
    playbook = book({"id": "a"}, {"id": "b", "for_each": "steps.a.pods", "max_items": 2, "args": {"p": "{{ item }}"}})
    tools = Tools({"t.a": {"pods": ["x", "y", "z"]}, "t.b": {}})
    run, _ = running(playbook, tools)
    await run.run()
    assert [a for t, a in tools.asked if t == "t.b"] == [{"p": "x"}, {"p": "y"}]
    assert [e.id for e in run.evidence["b"]] == ["E2.1", "E2.2"]


async def test_nothing_to_look_at_is_said_and_what_builds_on_it_is_not_needed() -> None:
    playbook = book({"id": "a"}, {"id": "b", "for_each": "steps.a.pods"}, {"id": "c", "for_each": "steps.b.items"})
    run, _ = running(playbook, Tools({"t.a": {"pods": []}}))
    results = await run.run()
    assert [(r.status, r.error) for r in results.values()][1:] == [
        ("skipped", "nothing to look at"),
        ("skipped", "not needed here"),
    ]


async def test_only_retryable_failures_are_retried() -> None:
    busy = ErrorInfo(code="RATE_LIMITED", message="busy", retryable=True)
    wrong = ErrorInfo(code="VALIDATION", message="wrong")
    retry = {"attempts": 3, "backoff": "1ms"}
    playbook = book({"id": "a", "retry": retry}, {"id": "b", "retry": retry})
    tools = Tools({"t.a": [busy, busy, {}], "t.b": wrong})
    run, _ = running(playbook, tools)
    results = await run.run()
    assert (results["a"].status, results["b"].status) == ("ok", "error")
    assert (len(tools.asked), run.calls) == (4, 4)


async def test_a_step_that_outlives_the_playbook_is_an_error_and_the_rest_stands() -> None:
    class Stuck(Tools):
        async def call(self, tool: str, *args: Any, **kwargs: Any) -> Evidence:
            if tool == "t.b":
                await asyncio.sleep(60)
            return await super().call(tool, *args, **kwargs)

    playbook = book({"id": "a"}, {"id": "b"}, {"id": "c", "needs": ["b"]}, timeout="200ms")
    run, _ = running(playbook, Stuck({"t.a": {}}))
    results = await run.run()
    assert [r.status for r in results.values()] == ["ok", "error", "skipped"]
    assert "did not finish within" in results["b"].error


async def test_a_resumed_run_does_not_call_finished_steps_again_and_cites_the_same_evidence() -> None:
    playbook = book({"id": "a"}, {"id": "b", "args": {"x": "{{ steps.a.value }}"}})
    first, journal = Tools({"t.a": {"value": 1}, "t.b": {}}), Kept()
    run, _ = running(playbook, first, journal)
    await run.run()
    del journal.kept["b"]  # killed before b finished
    second = Tools({"t.b": {}})
    resumed, seen = running(playbook, second, journal)
    await resumed.run()
    assert [t for t, _ in second.asked] == ["t.b"]
    assert [s.status for s in seen[0]] == ["done", "pending"]
    assert resumed.evidence["a"][0].id == "E1"


async def test_the_card_sees_every_state() -> None:
    run, seen = running(book({"id": "a"}), Tools({"t.a": {"summary": "2 of 3 ready"}}))
    await run.run()
    assert [s[0].status for s in seen][:2] == ["pending", "running"]
    assert (seen[-1][0].status, seen[-1][0].note) == ("done", "2 of 3 ready")


async def test_on_error_stop_ends_what_has_not_begun() -> None:
    playbook = book({"id": "a", "on_error": "stop"}, {"id": "b", "args": {"x": "{{ steps.a.ok }}"}})
    run, _ = running(playbook, Tools({"t.a": ErrorInfo(code="FORBIDDEN", message="no")}))
    assert (await run.run())["b"].error == "“a” failed and ends the checks"


async def test_cancelling_reaches_the_calls() -> None:
    reached = asyncio.Event()

    class Slow(Tools):
        async def call(self, *args: Any, **kwargs: Any) -> Evidence:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                reached.set()
                raise
            raise AssertionError

    run, _ = running(book({"id": "a"}), Slow({}))
    task = asyncio.create_task(run.run())
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert reached.is_set()


@given(st.text(), st.integers(2, 200))
def test_a_clipped_line_is_one_line_and_fits(text: str, limit: int) -> None:
    line = clip(text, limit)
    assert len(line) <= limit
    assert len(line.splitlines()) <= 1


async def test_people_see_a_conditional_step_only_when_it_is_needed() -> None:
    playbook = book(
        {"id": "a"},
        {"id": "yes", "when": "steps.a.value == 7"},
        {"id": "no", "when": "steps.a.value == 8"},
        {"id": "far", "tool": "absent.far"},
    )
    run, seen = running(playbook, Tools({"t.a": {"value": 7}, "t.yes": {}}, delay=0.01))
    await run.run()
    assert [v.id for v in seen[0]] == ["a"]
    assert [v.id for v in seen[-1]] == ["a", "yes"]
    assert "no" not in {v.id for views in seen for v in views}
