"""Material for the runtime's tests: works, alerts, reports, and a thread that is a list."""

import asyncio
from datetime import UTC, datetime

from bot.alerts.model import Alert
from bot.investigation.model import Check, Progress, Report, StepView
from bot.runtime.contracts import DeliveryError, Work
from bot.tools.evidence import Evidence

NOW = datetime(2026, 11, 22, 3, 12, tzinfo=UTC)


def alert(name: str = "KubePodCrashLooping", **more) -> Alert:
    return Alert(source="alertmanager", name=name, fingerprint=more.pop("fingerprint", name), namespace="shop", **more)


def work(ts: str = "1763800000.000100", **more) -> Work:
    values = {
        "key": f"alert:T1:C1:{ts}",
        "kind": "alert",
        "team": "T1",
        "channel": "C1",
        "ts": ts,
        "alerts": (alert(),),
        "received_at": NOW,
    }
    return Work(**(values | more))


def evidence(step: str, number: int) -> Evidence:
    return Evidence(
        id=f"E{number}", step=step, server="kubernetes", tool="get_pod_status", summary=f"{step} done", at=NOW
    )


def report(about: Alert, investigation: str, **more) -> Report:
    values = {
        "id": investigation,
        "alert": about,
        "verdict": "confirmed",
        "headline": "checkout crashes because ConfigMap `checkout-settings` has no key PAYMENT_URL.",
        "playbook": "kube-pod-crash-looping",
        "checks": (Check(id="pods", title="What is crashing", status="ok"),),
        "started_at": NOW,
        "duration_seconds": 9.0,
    }
    return Report(**(values | more))


def progress(about: Alert, investigation: str, **more) -> Progress:
    steps = (StepView(id="pods", title="What is crashing", status="running"),)
    return Progress(investigation=investigation, stage="steps", alert=about, steps=steps, started_at=NOW, **more)


class ListThread:
    """A thread that writes down what it is told; ``refuse`` makes the next final deliveries fail."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.refuse: list[DeliveryError] = []
        self.heard = asyncio.Event()
        self.reasons: dict[str, str] = {}  # ts of an alert that joined -> why
        self.counts: dict[str, int] = {}  # ts of a leader -> how many joined, as last told

    def _say(self, what: str, detail: str = "") -> None:
        self.said.append((what, detail))
        self.heard.set()

    def kinds(self) -> list[str]:
        return [what for what, _ in self.said]

    async def until(self, what: str, timeout: float = 8.0) -> str:
        async with asyncio.timeout(timeout):
            while what not in self.kinds():
                self.heard.clear()
                await self.heard.wait()
        return next(detail for kind, detail in self.said if kind == what)

    def _maybe_refuse(self) -> None:
        if self.refuse:
            self._say("refused")
            raise self.refuse.pop(0)

    async def opened(self, work, investigation):
        self._say("opened", investigation)

    def progress(self, work, progress):
        self._say("progress", progress.line)

    async def finished(self, work, report):
        self._maybe_refuse()
        self._say("finished", report.headline)

    async def stopped(self, work, progress, by):
        self._say("stopped", by)

    async def failed(self, work, message):
        self._maybe_refuse()
        self._say("failed", message)

    async def folded(self, work, channel, ts, *, because, quiet):
        self.reasons[work.ts] = because
        self._say("marked" if quiet else "folded", f"{channel} {ts}")

    async def gathered(self, work, gathered, report):
        self.counts[work.ts] = gathered.count
        self._say("gathered", f"{work.ts} {gathered.count}")

    async def answered(self, work, text, evidence):
        self._say("answered", f"{text} {' '.join(evidence)}".strip())
