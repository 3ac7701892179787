"""`Investigator`: one alert in, one `Report` out.

Route, run the steps, judge the findings, rank the causes, let the analyst explain, build the report. Every stage hands frozen values to
the next. Progress is told as it happens; a kill between two steps costs only the step that was under way (the journal).
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from bot.alerts.model import Alert
from bot.investigation.anchor import Anchored, Windows, late_by, no_windows
from bot.investigation.findings import Rules
from bot.investigation.journal import Journal, NoJournal
from bot.investigation.model import Finding, Progress, Report, StepView
from bot.investigation.reach import Reach
from bot.investigation.reporting import Draft
from bot.investigation.steps import StepRun, ToolCaller
from bot.investigation.verdict import Ranking, rank
from bot.playbooks.model import Playbook
from bot.playbooks.plan import Plans
from bot.playbooks.router import Choice

Emit = Callable[[Progress], None]


class Tools(ToolCaller, Protocol):
    """The hub, as far as an investigation needs it."""

    def signals_of(self, tool: str) -> frozenset[str] | None:
        """The signal codes that a tool ("server.tool") may emit; None when its server never told."""


class Explain(Protocol):
    """The analyst: adds a grounded explanation to a finished report, or a note why there is none."""

    async def __call__(
        self, report: Report, playbook: Playbook, context: Callable[..., Mapping[str, Any]]
    ) -> Report: ...


@dataclass(frozen=True)
class Investigator:
    """Made once; safe for many investigations at the same time.

    Args:
        tools: the door to the servers.
        choose: alert and pin to a playbook (`bot.playbooks.router.Router.choose`).
        explain: the analyst, or None for rules only.
        windows: what time a tool looks at by itself (`bot.investigation.anchor`), for alerts that come late.
        parallel_steps: upper bound of steps under way in one investigation.
    """

    tools: Tools
    choose: Callable[[Alert, str], Choice]
    explain: Explain | None = None
    windows: Windows = no_windows
    parallel_steps: int = 6
    plans: Plans = field(default_factory=Plans)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)  # a recording is investigated at its own time

    async def investigate(
        self,
        alert: Alert,
        *,
        investigation: str,
        playbook: str = "",
        inputs: Mapping[str, str] | None = None,
        emit: Emit = lambda progress: None,
        journal: Journal | None = None,
    ) -> Report:
        """Investigate ``alert``; ``playbook`` pins one by id, ``inputs`` add to what the alert is about.

        Raises `asyncio.CancelledError` when it is stopped and `LookupError` for a pin that names no playbook; failures of tools or of
        the model are part of the report.
        """
        started_at, clock = self.now(), time.monotonic()
        alert = with_inputs(alert, inputs or {})
        choice = self.choose(alert, playbook)
        chosen = choice.playbook
        state = Progress(
            investigation=investigation,
            stage="routed",
            alert=alert,
            playbook=chosen.id,
            playbook_title=chosen.title,
            chosen_because=choice.because,
            started_at=started_at,
        )

        def show(steps: tuple[StepView, ...]) -> None:
            nonlocal state
            state = state.model_copy(update={"stage": "steps", "steps": steps})
            emit(state)

        late = late_by(alert, started_at)
        anchored = Anchored(self.tools, alert, self.windows, started_at) if late else None
        run = StepRun(
            playbook=chosen,
            plan=self.plans.of(chosen),
            alert=alert,
            tools=self.tools if anchored is None else anchored,
            journal=journal or NoJournal(),
            changed=show,
            parallel=self.parallel_steps,
        )
        await run.run()
        rules = Rules(chosen, run.results, run.evidence, run.context, self.tools.signals_of)
        findings = rules.evaluate()
        report = Draft(
            id=investigation,
            alert=alert,
            choice=choice,
            run=run,
            rules=rules,
            findings=findings,
            ranking=_ranked(chosen, alert, run, findings, started_at),
            started_at=started_at,
            duration_seconds=time.monotonic() - clock,
        ).report()
        if anchored is not None:
            report = anchored.told(report)
        if self.explain is not None:
            emit(state.model_copy(update={"stage": "analysis", "line": "weighing the findings"}))
            report = await self.explain(report, chosen, run.context)
        emit(state.model_copy(update={"stage": "done", "line": ""}))
        return report.model_copy(update={"duration_seconds": time.monotonic() - clock})


def _ranked(
    playbook: Playbook, alert: Alert, run: StepRun, findings: Iterable[Finding], started_at: datetime
) -> Ranking:
    # A server that this team does not run is no check that failed: it is listed, and it does not hold the verdict back.
    due = [s for s in playbook.steps if s.key and s.provider not in run.absent]
    missing = [s.title for s in due if run.results[s.id].status != "ok"]
    evidence = [e for found in run.evidence.values() for e in found]
    return rank(
        findings,
        reach=Reach.of(alert, evidence, own_symptom=playbook.own_symptom, seen=started_at),
        missing_key_checks=missing,
        rules_out={rule.id: rule.rules_out for rule in playbook.findings if rule.rules_out},
    )


def with_inputs(alert: Alert, inputs: Mapping[str, str]) -> Alert:
    """``alert`` with what a person named: known fields (namespace, pod, workload, service, node, container) and labels."""
    if not inputs:
        return alert
    known = {
        k: v
        for k, v in inputs.items()
        if k in ("namespace", "pod", "workload", "service", "node", "container", "cluster")
    }
    return alert.model_copy(update={**known, "labels": {**alert.labels, **inputs}})
