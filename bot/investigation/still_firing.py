"""Before anything is spent: does the alert still fire, and what did its message leave out?

Alertmanager and SigNoz know. An answer that an alert is over must rest on a list that would hold it: one that has its neighbours, and an
alert old enough to be in it. Everything else is "not known", which changes nothing but a note; the check never stands in the way.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol

from bot.alerts.found_again import completed, same, surely_absent
from bot.alerts.model import Alert
from bot.investigation.model import Check, Cited, Report
from bot.investigation.steps import ToolCaller
from bot.tools.alertmanager import NotAnswered
from bot.tools.evidence import Evidence
from mcp_servers.common.untrusted import clean

TIMEOUT_S: Final = 5.0
FRESH_S: Final = 60.0
"""A younger alert that a list lacks is not over; the list is another's, or its sender is quicker than the list."""
STEP: Final = "still_firing"
TITLE: Final = "Whether it still fires"
SIGNOZ: Final = "signoz.get_alerts"

State = Literal["firing", "over", "unknown"]


class AlertList(Protocol):
    """Alertmanager, as far as this needs it."""

    async def named(self, name: str) -> tuple[Alert, ...]:
        """Every alert of this rule that fires now. Raises `NotAnswered`."""

    async def knows(self, labels: Mapping[str, str]) -> bool:
        """Whether it has any alert with all of these labels. Raises `NotAnswered`."""


@dataclass(frozen=True)
class Standing:
    """What the sender's own list says. ``alert`` is the alert with what its message left out."""

    state: State
    alert: Alert
    note: str = ""
    evidence: Evidence | None = None


@dataclass(frozen=True)
class StillFiring:
    """Asks whichever list is configured. ``alertmanager`` and ``tools`` (for SigNoz) may be absent."""

    alertmanager: AlertList | None = None
    tools: ToolCaller | None = None
    timeout_s: float = TIMEOUT_S
    clock: Any = field(default=time.time)

    async def __call__(self, alert: Alert, *, seen_at: datetime) -> Standing:
        """``seen_at`` is when its message came. Raises nothing but `asyncio.CancelledError`."""
        age = self.clock() - min(seen_at, alert.starts_at or seen_at).timestamp()
        try:
            async with asyncio.timeout(self.timeout_s):
                if alert.source == "signoz" and self.tools is not None and self.tools.has_server("signoz"):
                    return await self._signoz(alert, self.tools, age)
                if self.alertmanager is not None and alert.source in (
                    "alertmanager",
                    "prometheus",
                    "generic",
                    "robusta",
                ):
                    return await self._alertmanager(alert, self.alertmanager, age)
        except NotAnswered as error:
            return Standing("unknown", alert, f"whether it still fires is not known: {clean(str(error), 160)}")
        except TimeoutError:
            return Standing("unknown", alert, f"whether it still fires is not known: no answer in {self.timeout_s:g} s")
        return Standing("unknown", alert)

    async def _alertmanager(self, alert: Alert, known: AlertList, age: float) -> Standing:
        began = time.perf_counter()
        listed = await known.named(alert.name)
        found = same(alert, listed)
        if found:
            more = "" if len(found) == 1 else f"; {len(found)} alerts of this rule fit it"
            said = f"{clean(alert.name, 80)} still fires{more}"
            return Standing("firing", completed(alert, found), "", _evidence("alertmanager", alert, said, found, began))
        neighbours = {k: v for k, v in alert.labels.items() if k in ("cluster", "namespace") and v}
        if (
            age >= FRESH_S
            and surely_absent(alert, listed)
            and (listed or (neighbours and await known.knows(neighbours)))
        ):
            said = "Alertmanager lists others beside it, and not this one"
            return Standing("over", alert, said, _evidence("alertmanager", alert, said, listed, began))
        return Standing("unknown", alert, "Alertmanager does not list this alert; another one may have sent it")

    async def _signoz(self, alert: Alert, tools: ToolCaller, age: float) -> Standing:
        found = await tools.call(
            SIGNOZ, {"state": "all", "limit": 50}, id="E1", step=STEP, title=TITLE, timeout=self.timeout_s
        )
        if not found.ok or not isinstance(found.data, Mapping):
            why = found.error.message if found.error else "no list came"
            return Standing("unknown", alert, f"whether it still fires is not known: SigNoz: {clean(why, 160)}")
        every = found.data.get("alerts")
        rows = [r for r in every if isinstance(r, Mapping)] if isinstance(every, list) else []
        mine = [r for r in rows if _is_rule(alert, r)]
        on = [r for r in mine if r.get("state") in ("firing", "nodata", "recovering")]
        if on:
            told = [_of_row(alert, row) for row in on if row.get("instances") == 1]
            return Standing("firing", completed(alert, same(alert, told)), "", found)
        if mine and age >= FRESH_S:  # it knows the rule, and no alert of it is on
            return Standing("over", alert, "SigNoz knows the rule, and it does not fire", found)
        return Standing("unknown", alert, "SigNoz does not list this alert's rule")


def _is_rule(alert: Alert, row: Mapping[str, Any]) -> bool:
    rule = str(row.get("rule_id") or "")
    if rule and any(rule in link.url for link in alert.links):
        return True
    return str(row.get("name") or "") == alert.name


def _of_row(alert: Alert, row: Mapping[str, Any]) -> Alert:
    """A row of SigNoz as an alert, as far as its labels go."""
    labels = row.get("labels")
    named = {str(k): str(v) for k, v in labels.items()} if isinstance(labels, Mapping) else {}
    service = next((named[k] for k in ("service.name", "service_name", "service") if named.get(k)), "")
    space = next((named[k] for k in ("k8s.namespace.name", "k8s_namespace_name", "namespace") if named.get(k)), "")
    return Alert(source=alert.source, name=alert.name, labels=named, service=service, namespace=space)


def _evidence(server: str, alert: Alert, said: str, listed: Sequence[Alert], began: float) -> Evidence:
    rows = [{"labels": a.labels, "since": a.starts_at.isoformat() if a.starts_at else ""} for a in listed[:10]]
    return Evidence(
        id="E1",
        step=STEP,
        title=TITLE,
        server=server,
        tool="alerts",
        arguments={"alertname": alert.name},
        summary=clean(said, 240),
        data={"summary": clean(said, 240), "listed": len(listed), "alerts": rows},
        tainted=("alerts[].labels",),
        at=datetime.now(UTC),
        duration_ms=(time.perf_counter() - began) * 1000,
    )


def resolved_meanwhile(standing: Standing, *, investigation: str, started_at: datetime) -> Report:
    """The report of an alert that was over before anything was spent."""
    alert, evidence = standing.alert, standing.evidence
    cited = (evidence.id,) if evidence is not None else ()
    where = f" in {clean(alert.namespace, 80)}" if alert.namespace else ""
    return Report(
        id=investigation,
        alert=alert,
        verdict="resolved",
        headline=f"Resolved meanwhile: {clean(alert.name, 120)}{where} does not fire any more.",
        summary=standing.note,
        since=alert.starts_at.isoformat() if alert.starts_at else None,
        playbook="",
        chosen_because="it was over before the checks began",
        known=(Cited(text=standing.note, evidence=cited),),
        next_steps=("Press Re-run to look for what it was all the same",),
        checks=(Check(id=STEP, title=TITLE, status="ok", evidence=", ".join(cited)),),
        evidence=(evidence,) if evidence is not None else (),
        tool_calls=1,
        started_at=started_at,
        duration_seconds=(datetime.now(UTC) - started_at).total_seconds(),
    )
