"""From settled steps and judged findings to the `Report`: what goes on the card, in which order, with which evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from bot.alerts.model import Alert
from bot.investigation.findings import Rules
from bot.investigation.model import Cause, ChangeLine, Check, Cited, Finding, Report
from bot.investigation.steps import StepRun, clip
from bot.investigation.verdict import Ranking
from bot.playbooks.errors import ExpressionError
from bot.playbooks.expressions import Condition, Template
from bot.playbooks.model import ANY
from bot.playbooks.router import Choice
from bot.tools.evidence import Evidence

TROUBLE = frozenset(
    {"critical", "high", "medium"}
)  # findings that say that something is wrong, even where none says why
MAX_WHY = 4
MAX_KNOWN = 5
LINE_CHARS = 300


@dataclass(frozen=True)
class Draft:
    """Everything a report is made of."""

    id: str
    alert: Alert
    choice: Choice
    run: StepRun
    rules: Rules
    findings: tuple[Finding, ...]
    ranking: Ranking
    started_at: datetime
    duration_seconds: float

    def report(self) -> Report:
        """The deterministic report; the analyst may add to it, never replace it."""
        ranking, playbook = self.ranking, self.choice.playbook
        settled = ranking.verdict != "inconclusive"
        top = ranking.causes[0] if ranking.causes else None
        leading = self._leading(top) if top and settled else ()
        return Report(
            id=self.id,
            alert=self.alert,
            verdict=ranking.verdict,
            headline=clip(self._headline(top if settled else None), 220),
            since=self._since(top if settled else None),
            affected=self._text(playbook.affected),
            playbook=playbook.id,
            playbook_title=playbook.title,
            chosen_because=self.choice.because,
            causes=ranking.causes,
            why=self._why(leading, top) if top and settled else (),
            known=() if settled else self._known(),
            ruled_out=self._ruled_out(),
            not_checked=self._not_checked(),
            next_steps=() if settled else self._next(),
            findings=self.findings,
            checks=self._checks,
            changes=self._changes(),
            blind_spots=self._blind_spots(),
            remediation=self.rules.actions(leading) if settled else (),
            evidence=self.evidence,
            mentions=self._mentions(),
            notes=ranking.caveats,
            tool_calls=self.run.calls,
            started_at=self.started_at,
            duration_seconds=self.duration_seconds,
        )

    @cached_property
    def evidence(self) -> tuple[Evidence, ...]:
        """All evidence in the order of the playbook's steps."""
        steps = self.choice.playbook.steps
        return tuple(e for step in steps for e in self.run.evidence.get(step.id, ()))

    @cached_property
    def _live(self) -> list[Finding]:
        return [f for f in self.findings if f.state == "true" and not f.suppressed_by]

    def _leading(self, top: Cause) -> tuple[Finding, ...]:
        found = [f for f in self._live if f.id in top.findings and f.object == top.object]
        return tuple(sorted(found, key=lambda f: -f.confidence))

    def _headline(self, top: Cause | None) -> str:
        if top is not None:
            return top.title
        checks = [c for c in self._checks if c.status != "skipped"]
        ran = sum(c.status == "ok" for c in checks)
        if not checks and self.run.absent:
            named = " or ".join(s for s in self.run.absent if not s.startswith(f"{ANY}."))
            missing = (
                f"no server called {named} is configured" if named else "no server offers what this playbook asks for"
            )
            return f"Nothing could be checked: {missing}."
        counted = f"{ran} of {len(checks)} checks ran."
        if suspect := self.ranking.suspect:
            # In the vocabulary's words: a stranger's text may lie behind a suspicion, and a headline quotes no stranger.
            where = "What the alert names looks well now. Beside it:" if self.ranking.beside else "Suspect:"
            return f"{where} {suspect.says} ({suspect.object}). {counted}"
        wrong = any(f.cause or f.severity in TROUBLE for f in self._live)
        if ran == len(checks) and not wrong and not any(e.unjudged for e in self.evidence):
            return f"Nothing wrong found now. {counted}"
        return f"No cause found yet. {counted}"

    def _since(self, top: Cause | None) -> str | None:
        if top and top.since:
            return top.since
        return self.alert.starts_at.isoformat() if self.alert.starts_at else None

    def _why(self, leading: Sequence[Finding], top: Cause) -> tuple[Cited, ...]:
        """The leading findings first, then the changes and the other causes on the same object; what only informs is in the report."""
        beside = [f for f in self._live if f.object == top.object and f.cause and f not in leading]
        beside.sort(key=lambda f: (not f.cause.startswith("change."), -f.confidence))
        lines = [
            Cited(text=clip(f.why or f.title, LINE_CHARS), evidence=f.evidence, tainted=f.tainted)
            for f in [*leading, *beside]
        ]
        return _unique(lines)[:MAX_WHY]

    def _known(self) -> tuple[Cited, ...]:
        found = sorted(self._live, key=lambda f: -f.confidence)
        lines = [Cited(text=clip(f.why or f.title, LINE_CHARS), evidence=f.evidence, tainted=f.tainted) for f in found]
        if not lines:
            lines = [
                Cited(
                    text=clip(f"{step.title}: {view.note}", LINE_CHARS),
                    evidence=tuple(e.id for e in self.run.evidence[step.id]),
                )
                for step in self.choice.playbook.steps
                if (view := self.run.view(step)).status == "done" and view.note
            ]
        return _unique(lines)[:MAX_KNOWN]

    def _ruled_out(self) -> tuple[Cited, ...]:
        lines = []
        for label, source in self.choice.playbook.ruled_out.items():
            try:
                condition = Condition(source)
                used = [r.step for r in condition.references if r.data]
                if any(self.run.results[s].status != "ok" for s in used) or not condition.holds(self.run.context()):
                    continue
                text = Template(label).text(self.run.context())
            except ExpressionError:
                continue  # what cannot be evaluated is not ruled out
            evidence = tuple(
                e.id for step in self.choice.playbook.steps if step.id in used for e in self.run.evidence[step.id]
            )
            lines.append(Cited(text=text, evidence=evidence))
        return tuple(lines)

    def _not_checked(self) -> tuple[Cited, ...]:
        failed = [
            Cited(text=clip(f"{c.title}: {c.reason}", LINE_CHARS), evidence=(c.evidence,) if c.evidence else ())
            for c in self._checks
            if c.status == "failed"
        ]
        absent = [
            Cited(text=f"{_missing(server)}; {count} {'check needs' if count == 1 else 'checks need'} it")
            for server, count in self.run.absent.items()
        ]
        half = [e for e in self.evidence if e.ok and e.unjudged]
        seen = [
            Cited(
                text=clip(
                    f"{server}: its answers came through an adapter, which does not judge all that our own server does",
                    LINE_CHARS,
                ),
                evidence=tuple(e.id for e in half if e.server == server),
            )
            for server in dict.fromkeys(e.server for e in half)
        ]
        return (*failed, *absent, *seen)

    def _next(self) -> tuple[str, ...]:
        lines = [self._text(source) for source in self.choice.playbook.next_steps]
        return tuple(clip(line, LINE_CHARS) for line in lines if line)

    @cached_property
    def _checks(self) -> tuple[Check, ...]:
        checks = []
        for step in self.choice.playbook.steps:
            result, found = self.run.results[step.id], self.run.evidence.get(step.id, ())
            failed = [e for e in found if not e.ok]
            status = {"ok": "ok", "error": "failed", "skipped": "skipped"}[result.status]
            reason = result.error
            if status == "ok" and failed:
                status, reason = "failed", f"{len(failed)} of {len(found)} calls failed: {failed[0].summary}"
            checks.append(
                Check.model_validate(
                    {
                        "id": step.id,
                        "title": step.title,
                        "status": status,
                        "reason": clip(reason, LINE_CHARS),
                        "evidence": ", ".join(e.id for e in found),
                        "duration_ms": max((e.duration_ms for e in found), default=0.0),
                    }
                )
            )
        return tuple(checks)

    def _changes(self) -> tuple[ChangeLine, ...]:
        found: dict[tuple[str, str, str], ChangeLine] = {}
        for evidence in self.evidence:
            for raw in _rows(evidence.data, "changes"):
                line = ChangeLine(
                    at=str(raw.get("at", "")),
                    kind=str(raw.get("kind", "")),
                    target=str(raw.get("target", "")),
                    what=str(raw.get("what", "")),
                    diff=tuple(map(str, raw.get("diff") or ())),
                    actor=str(raw.get("actor", "")),
                    minutes_before_onset=raw.get("minutes_before_onset"),
                    score=float(raw.get("score") or 0),
                    evidence=evidence.id,
                )
                found.setdefault((line.at, line.target, line.what), line)
        return tuple(sorted(found.values(), key=lambda c: (-c.score, c.at)))

    def _blind_spots(self) -> tuple[str, ...]:
        spots = (str(s) for e in self.evidence if isinstance(e.data, Mapping) for s in e.data.get("blind_spots") or ())
        return tuple(dict.fromkeys(spots))

    def _mentions(self) -> tuple[str, ...]:
        groups = []
        for mention in self.choice.playbook.notify.mentions:
            try:
                if not mention.when or Condition(mention.when).holds(self.run.context(findings=self._finding_views())):
                    groups.append(mention.group)
            except ExpressionError:
                continue  # nobody is paged on a condition that cannot be evaluated
        return tuple(dict.fromkeys(groups))

    def _finding_views(self) -> list[dict[str, Any]]:
        return [f.model_dump(mode="json") for f in self._live]

    def _text(self, source: str) -> str:
        if not source:
            return ""
        try:
            return clip(Template(source).text(self.run.context()), LINE_CHARS)
        except ExpressionError:
            return ""


def _missing(server: str) -> str:
    """A provider that is not there, in words."""
    asked = server.removeprefix(f"{ANY}.")
    return f"no server offers {asked}" if asked != server else f"{server}: no such server is configured"


def _rows(data: Any, key: str) -> list[Mapping[str, Any]]:
    rows = data.get(key) if isinstance(data, Mapping) else None
    return [r for r in rows if isinstance(r, Mapping)] if isinstance(rows, list) else []


def _unique(lines: list[Cited]) -> tuple[Cited, ...]:
    by_text: dict[str, Cited] = {}
    for line in lines:
        kept = by_text.get(line.text)
        if kept is None:
            by_text[line.text] = line
        else:
            by_text[line.text] = kept.model_copy(
                update={"evidence": tuple(dict.fromkeys((*kept.evidence, *line.evidence)))}
            )
    return tuple(by_text.values())
