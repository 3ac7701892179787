"""Material for the Slack tests: alerts as senders post them, reports, and an investigation that a test steers."""

import asyncio
from datetime import UTC, datetime

from bot.alerts.model import Alert
from bot.investigation.model import Action, Cause, Check, Cited, Progress, Report, StepView
from bot.tools.evidence import Evidence

NOW = datetime(2026, 11, 22, 3, 12, tzinfo=UTC)

ALERTMANAGER = {
    "username": "Alertmanager",
    "attachments": [
        {
            "color": "danger",
            "fallback": "[FIRING:1] KubePodCrashLooping shop (prod-eu checkout kube-state-metrics checkout-7d9f-x8k2p critical)",
            "title": "[FIRING:1] KubePodCrashLooping shop (prod-eu checkout kube-state-metrics checkout-7d9f-x8k2p critical)",
            "title_link": "http://alertmanager.example/#/alerts",
        }
    ],
}
RESOLVED = {
    "username": "Alertmanager",
    "attachments": [
        {
            "color": "good",
            "title": "[RESOLVED] KubePodCrashLooping shop (prod-eu checkout kube-state-metrics checkout-7d9f-x8k2p critical)",
            "title_link": "http://alertmanager.example/#/alerts",
        }
    ],
}


def named(name: str) -> dict:
    """The same alert under another name, so that nothing is folded."""
    text = f"[FIRING:1] {name} shop (prod-eu checkout kube-state-metrics checkout-7d9f-x8k2p critical)"
    return {"username": "Alertmanager", "attachments": [{"color": "danger", "fallback": text, "title": text}]}


def alert(name: str = "KubePodCrashLooping", **more) -> Alert:
    values = {"source": "alertmanager", "name": name, "fingerprint": name, "namespace": "shop"}
    return Alert(**(values | more))


def evidence(number: int, **more) -> Evidence:
    values = {
        "id": f"E{number}",
        "step": f"s{number}",
        "server": "kubernetes",
        "tool": "get_pod_status",
        "arguments": {"namespace": "shop"},
        "summary": "checkout-7d9f-x8k2p, 14 restarts, last exit 1 after 2 s",
        "data": {"pods": [{"name": "checkout-7d9f-x8k2p"}]},
        "at": NOW,
        "duration_ms": 210.0,
    }
    return Evidence(**(values | more))


def report(about: Alert | None = None, **more) -> Report:
    values = {
        "id": "inv-0000000001",
        "alert": about or alert(),
        "verdict": "confirmed",
        "headline": "checkout crashes because ConfigMap `checkout-settings` has no key PAYMENT_URL.",
        "since": "2026-11-22T03:01:00Z",
        "affected": "all 3 replicas of the new revision, the old one still serves (2 of 3)",
        "playbook": "kube-pod-crash-looping",
        "causes": (
            Cause(
                code="kubernetes.config.reference_missing",
                object="Deployment/shop/checkout",
                confidence=0.95,
                title="a referenced key is missing",
                evidence=("E3",),
                decisive=True,
            ),
        ),
        "why": (
            Cited(text='container cannot start: "couldn\'t find key PAYMENT_URL"', evidence=("E3",)),
            Cited(text="the reference came with the rollout at 03:01", evidence=("E2",)),
        ),
        "ruled_out": (
            Cited(text="memory (peak 41 % of limit)", evidence=("E1",)),
            Cited(text="node (healthy)", evidence=("E5",)),
        ),
        "remediation": (
            Action(do="add the key, or roll back", command="kubectl -n shop rollout undo deploy/checkout", risk="low"),
        ),
        "checks": tuple(Check(id=f"s{n}", title=f"Check {n}", status="ok", evidence=f"E{n}") for n in range(1, 8)),
        "evidence": tuple(evidence(n) for n in range(1, 8)),
        "started_at": NOW,
        "duration_seconds": 9.0,
    }
    return Report(**(values | more))


def inconclusive(**more) -> Report:
    values = {
        "verdict": "inconclusive",
        "headline": "No cause found yet. 4 of 7 checks ran.",
        "since": None,
        "affected": "",
        "causes": (),
        "why": (),
        "known": (Cited(text="frontend p99 2.1 s (usual 0.3 s) since 03:07", evidence=("E1",)),),
        "not_checked": (Cited(text="logs: SigNoz did not answer in 10 s"),),
        "next_steps": ("look at the database behind `cart`",),
        "remediation": (),
        "checks": tuple(Check(id=f"s{n}", title=f"Check {n}", status="ok" if n < 5 else "failed") for n in range(1, 8)),
    }
    return report(alert(starts_at=NOW), **(values | more))


def progress(**more) -> Progress:
    values = {
        "investigation": "inv-0000000001",
        "stage": "steps",
        "alert": alert(),
        "playbook": "kube-pod-crash-looping",
        "chosen_because": "name matched exactly",
        "steps": (
            StepView(
                id="pods", title="What is crashing", status="done", note="14 restarts, last exit 1", evidence="E1"
            ),
            StepView(id="changes", title="What changed", status="failed", note="no permission: list replicasets"),
            StepView(id="logs", title="What it says", status="running"),
            StepView(id="needs", title="What it needs"),
        ),
        "started_at": NOW,
    }
    return Progress(**(values | more))


class Engine:
    """An investigation of two steps. With ``hold`` it waits for ``go`` between them."""

    def __init__(self) -> None:
        self.hold = False
        self.go = asyncio.Event()
        self.calls: list[Alert] = []
        self.cancelled = 0
        self.result: dict = {}

    async def __call__(self, alert, *, investigation, playbook, inputs, emit, journal):
        self.calls.append(alert)
        running = progress(investigation=investigation, alert=alert)
        emit(running)
        if self.hold:
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        emit(running.model_copy(update={"stage": "analysis", "line": "weighing"}))
        return report(alert, id=investigation, **({"playbook": playbook} if playbook else {}), **self.result)
