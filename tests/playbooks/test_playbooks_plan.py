"""Order: what an expression needs comes first, everything else runs at once."""

from typing import Any

import pytest

from bot.playbooks.model import Playbook
from bot.playbooks.plan import Edge, Plan, PlanError


def playbook(*steps: dict[str, Any]) -> Playbook:
    return Playbook.model_validate(
        {
            "version": 1,
            "id": "pb",
            "title": "x",
            "description": "",
            "steps": [{"title": "x", "tool": "k.t", **step} for step in steps],
        }
    )


def test_steps_without_references_wait_for_nothing() -> None:
    plan = Plan.of(playbook({"id": "a"}, {"id": "b"}))
    assert plan.edges == ()
    assert plan.waits_for("b") == ()


def test_data_is_a_hard_edge_and_status_only_orders() -> None:
    plan = Plan.of(
        playbook(
            {"id": "late", "when": "not steps.first.ok", "args": {"x": "{{ steps.second.name }}"}},
            {"id": "second", "for_each": "steps.first.rows", "args": {"i": "{{ item.id }}"}},
            {"id": "first"},
        )
    )
    assert plan.edges == (Edge("first", "late", data=False), Edge("first", "second"), Edge("second", "late"))
    assert plan.steps == ("first", "second", "late")
    assert plan.waits_for("late") == ("first", "second")
    assert plan.needs_data_of("late") == ("second",)


def test_what_has_a_default_or_is_optional_does_not_need_the_other_step() -> None:
    plan = Plan.of(
        playbook(
            {"id": "a"},
            {"id": "b", "args": {"ns": "{{ steps.a.ns | default(alert.namespace) }}"}},
            {"id": "c", "args": {"ns": "{{ steps.a.ns }}"}, "optional_args": ["ns"]},
            {"id": "d", "needs": ["a"]},
        )
    )
    assert [plan.needs_data_of(s) for s in "bcd"] == [(), (), ("a",)]
    assert all(plan.waits_for(s) == ("a",) for s in "bcd")


def test_a_note_waits_for_nothing() -> None:
    assert Plan.of(playbook({"id": "a", "note": "{{ steps.a.summary }}"})).edges == ()


def test_circles_and_unknown_steps_are_refused() -> None:
    with pytest.raises(PlanError, match="a -> b -> a"):
        Plan.of(playbook({"id": "a", "needs": ["b"]}, {"id": "b", "when": "steps.a.ok"}))
    with pytest.raises(PlanError, match=r"'tarjet'.*did you mean 'target'"):
        Plan.of(playbook({"id": "target"}, {"id": "b", "when": "steps.tarjet.ok"}))
    with pytest.raises(PlanError, match="a -> a"):
        Plan.of(playbook({"id": "a", "when": "steps.a.ok"}))
