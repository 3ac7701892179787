"""What expressions see of an alert and of steps."""

from datetime import UTC, datetime
from typing import Any

from bot.alerts.model import Alert
from bot.playbooks.context import StepResult, context
from bot.playbooks.expressions import Condition, Template
from bot.tools.evidence import Evidence
from mcp_servers.common.envelope import ErrorInfo
from mcp_servers.common.signals import signal

ALERT = Alert(
    source="test", name="KubePodCrashLooping", namespace="shop", labels={"pod": "checkout-1"}, raw={"secret": "x"}
)


def evidence(number: int = 1, **more: Any) -> Evidence:
    return Evidence(
        id=f"E{number}", step="s", server="kubernetes", tool="t", at=datetime(2026, 1, 1, tzinfo=UTC), **more
    )


def test_the_alert_carries_hints_and_text_but_not_the_raw_message() -> None:
    view = context(ALERT, {})["alert"]
    assert view["hints"] == "namespace=shop"
    assert view["text"] == "KubePodCrashLooping"
    assert "raw" not in view


def test_a_good_step_shows_its_answer_and_its_extracts() -> None:
    crash = signal("k8s.pod.crash_loop", "Pod/shop/checkout-1", owner="Deployment/shop/checkout", reason="app_exit")
    result = StepResult(
        "s",
        "ok",
        (evidence(data={"name": "checkout", "status": "hidden", "n": 3}, summary="1 pod", signals=(crash,)),),
        {"n": 4},
    )
    view = context(ALERT, {"s": result})["steps"]["s"]
    assert (view["ok"], view["status"], view["summary"], view["name"], view["n"]) == (
        True,
        "ok",
        "1 pod",
        "checkout",
        4,
    )
    assert view["data"]["status"] == "hidden"
    assert view["output"] is view["data"]
    assert view["signals"][0]["object"] == "Deployment/shop/checkout"
    assert "value" not in view["signals"][0]


def test_a_failed_step_has_no_data_to_misread() -> None:
    failed = StepResult(
        "s",
        "error",
        (evidence(status="error", error=ErrorInfo(code="TIMEOUT", message="no answer")),),
        error="no answer",
    )
    made = context(ALERT, {"s": failed})
    assert dict(made["steps"]["s"]) == {"ok": False, "status": "error", "error": "no answer"}
    assert Condition("not steps.s.ok and steps.s.error is search('answer')").holds(made)


def test_a_repeated_step_has_items_in_order_even_when_some_failed() -> None:
    good = evidence(1, data={"v": 1}, summary="one")
    bad = evidence(2, status="error", error=ErrorInfo(code="NOT_FOUND", message="gone"))
    result = StepResult("s", "ok", (good, bad), items=("a", "b"), each=True)
    items = context(ALERT, {"s": result})["steps"]["s"]["items"]
    assert [(i["item"], i["ok"], i["error"]) for i in items] == [("a", True, ""), ("b", False, "gone")]
    assert Condition("steps.s.items | selectattr('ok') | map(attribute='data.v') | sum == 1").holds(
        context(ALERT, {"s": result})
    )


def test_a_repeated_step_over_nothing_has_no_items_but_is_there() -> None:
    made = context(ALERT, {"s": StepResult("s", "ok", each=True)})
    assert Condition("steps.s.items | length == 0 and steps.s.signals | length == 0").holds(made)


def test_a_signal_speaks_of_its_owner() -> None:
    made = context(
        ALERT, {}, signal=signal("k8s.pod.oom_killed", "Pod/shop/checkout-1", owner="Deployment/shop/checkout")
    )
    assert (
        Template("{{ signal.kind }} {{ signal.namespace }} {{ signal.name }}").render(made)
        == "Deployment shop checkout"
    )
    node = context(ALERT, {}, signal=signal("node.not_ready", "Node/worker-1"))
    assert Template("{{ signal.name }} in '{{ signal.namespace }}'").render(node) == "worker-1 in ''"
