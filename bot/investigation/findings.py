"""Rules over evidence: each gives true, false or unknown. Unknown is never silently false.

A rule with ``on`` looks for signals and gives one result for each object; a rule with ``when`` evaluates an expression. A rule is unknown
when a step that could have answered it did not succeed: for ``when`` the steps that it refers to, for ``on`` the failed steps whose tool
may emit the signal.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from bot.investigation.model import Action, Finding
from bot.investigation.steps import ABSENT, is_blind
from bot.investigation.taint import is_tainted, reads_tainted
from bot.patterns import Patterns
from bot.playbooks.context import StepResult
from bot.playbooks.errors import ExpressionError
from bot.playbooks.expressions import Condition, Template
from bot.playbooks.model import FindingRule, Playbook
from bot.tools.evidence import Evidence
from mcp_servers.common.envelope import Signal
from mcp_servers.common.signals import CATALOGUE


@dataclass(frozen=True)
class Hit:
    signal: Signal
    evidence: Evidence


@dataclass(frozen=True)
class Rules:
    """The rules of one playbook over the results of its steps."""

    playbook: Playbook
    results: Mapping[str, StepResult]
    evidence: Mapping[str, tuple[Evidence, ...]]  # step id -> what its calls returned
    context: Callable[..., Mapping[str, Any]]
    may_emit: Callable[[str], frozenset[str] | None]  # tool -> signal codes; None: not known, so perhaps any

    def evaluate(self) -> tuple[Finding, ...]:
        """All findings in the order of the rules, suppression applied."""
        found = [f for rule in self.playbook.findings for f in self._rule(rule)]
        return tuple(self._suppressed(found))

    def actions(self, findings: Iterable[Finding]) -> tuple[Action, ...]:
        """What to do about these findings: their rules' remediations, rendered; each command once."""
        rules = {rule.id: rule for rule in self.playbook.findings}
        actions: dict[str, Action] = {}
        for finding in findings:
            rule = rules[finding.id]
            more = self._signal_for(rule, finding)
            for remedy in rule.remediation:
                try:
                    do = Template(remedy.do).text(self.context(**more))
                    command = Template(remedy.command).text(self.context(**more)) if remedy.command else ""
                except ExpressionError:
                    continue  # a command with a hole in it is worse than none
                actions.setdefault(
                    do + command, Action(do=do, command=command, risk=remedy.risk, evidence=finding.evidence)
                )
        return tuple(actions.values())

    def _rule(self, rule: FindingRule) -> list[Finding]:
        return self._on(rule) if rule.on else [self._when(rule)]

    def _on(self, rule: FindingRule) -> list[Finding]:
        groups: dict[str, list[Hit]] = {}
        trouble = ""
        for hit in self._hits(rule):
            try:
                if rule.when and not Condition(rule.when).holds(self._context(hit)):
                    continue
                groups.setdefault(self._object(rule, hit), []).append(hit)
            except ExpressionError as error:
                trouble = str(error)
        if groups:
            return [self._true(rule, subject, hits) for subject, hits in groups.items()]
        if trouble:
            return [Finding(id=rule.id, state="unknown", cause=rule.cause, reason=trouble)]
        blind = self._blind(rule)
        state = "unknown" if blind else "false"
        return [Finding(id=rule.id, state=state, cause=rule.cause, reason=blind)]

    def _hits(self, rule: FindingRule) -> list[Hit]:
        codes, reasons = Patterns.compile(rule.on), Patterns.compile(rule.reason) if rule.reason else None
        return [
            Hit(signal, evidence)
            for step in self.playbook.steps  # the playbook's order, not that of the answers
            if not rule.steps or step.id in rule.steps
            for evidence in self.evidence.get(step.id, ())
            for signal in evidence.signals
            if codes.matches(signal.code) and (reasons is None or reasons.matches(signal.reason))
        ]

    def _blind(self, rule: FindingRule) -> str:
        """The first step that failed or cannot tell and that could have emitted the rule's signals, as a reason; "" for none."""
        codes = Patterns.compile(rule.on)
        for step in self.playbook.steps:
            result = self.results.get(step.id)
            if result is None or (rule.steps and step.id not in rule.steps):
                continue
            if not is_blind(result):
                if untold := next((e for e in self.evidence.get(step.id, ()) if _untold(e, codes)), None):
                    return f"“{step.title}”: {untold.server} does not tell this"
                continue
            emits = self.may_emit(step.tool)
            if emits is None and result.error.startswith(ABSENT) and step.id not in rule.steps:
                continue  # a server that this team does not run is told once; it does not cast doubt on every rule
            if emits is None or any(codes.matches(code) for code in emits):
                return f"“{step.title}”: {result.error}"
        return ""

    def _true(self, rule: FindingRule, subject: str, hits: list[Hit]) -> Finding:
        context = self._context(hits[0])
        try:
            title = Template(rule.title).text(context)
            why = Template(rule.why).text(context) if rule.why else hits[0].signal.detail
        except ExpressionError as error:
            return Finding(id=rule.id, state="unknown", cause=rule.cause, object=subject, reason=f"its text: {error}")
        return Finding(
            id=rule.id,
            state="true",
            title=title,
            why=why,
            severity=rule.severity,
            confidence=rule.confidence,
            decisive=rule.decisive,
            cause=rule.cause,
            object=subject,
            since=min((h.signal.since for h in hits if h.signal.since), default=None),
            evidence=tuple(dict.fromkeys(h.evidence.id for h in hits)),
            tainted=all(is_tainted(h.signal, h.evidence) for h in hits),
        )

    def _when(self, rule: FindingRule) -> Finding:
        condition = Condition(rule.when)
        used: list[StepResult] = []
        for reference in sorted(condition.references, key=lambda r: r.step):
            result = self.results.get(reference.step)
            if result is None:
                continue
            if result.status != "ok" and reference.data and not reference.soft:
                title = next(s.title for s in self.playbook.steps if s.id == result.id)
                return Finding(id=rule.id, state="unknown", cause=rule.cause, reason=f"“{title}”: {result.error}")
            used.append(result)
        context = self.context()
        try:
            if not condition.holds(context):
                return Finding(id=rule.id, state="false", cause=rule.cause)
            evidence = tuple(e.id for r in used for e in self.evidence.get(r.id, ()) if e.ok)
            return Finding(
                id=rule.id,
                state="true",
                title=Template(rule.title).text(context),
                why=Template(rule.why).text(context) if rule.why else "",
                severity=rule.severity,
                confidence=rule.confidence,
                decisive=rule.decisive,
                cause=rule.cause,
                object=Template(rule.object).text(context) if rule.object else "",
                evidence=evidence,
                tainted=reads_tainted(condition, self.evidence),
            )
        except ExpressionError as error:
            return Finding(id=rule.id, state="unknown", cause=rule.cause, reason=str(error))

    def _object(self, rule: FindingRule, hit: Hit) -> str:
        if rule.object:
            return Template(rule.object).text(self._context(hit))
        return hit.signal.owner or hit.signal.subject

    def _context(self, hit: Hit) -> Mapping[str, Any]:
        return self.context(signal=hit.signal)

    def _signal_for(self, rule: FindingRule, finding: Finding) -> dict[str, Any]:
        for hit in self._hits(rule) if rule.on else ():
            try:
                if self._object(rule, hit) == finding.object:
                    return {"signal": hit.signal}
            except ExpressionError:
                continue
        return {}

    def _suppressed(self, found: list[Finding]) -> Iterable[Finding]:
        """A TRUE finding sets aside the findings it names on the same object: the effect gives way to its cause."""
        by: dict[tuple[str, str], str] = {}
        rules = {rule.id: rule for rule in self.playbook.findings}
        for finding in found:
            if finding.state == "true":
                for other in rules[finding.id].suppresses:
                    by.setdefault((other, finding.object), finding.id)
        for finding in found:
            suppressor = by.get((finding.id, finding.object), "") if finding.state == "true" else ""
            yield finding.model_copy(update={"suppressed_by": suppressor}) if suppressor else finding


def _untold(evidence: Evidence, codes: Patterns) -> bool:
    """Whether the answer could not carry one of these signals, because an adapter stands between."""
    if not evidence.ok or not evidence.unjudged:
        return False
    return any(codes.matches(code) for code in _codes(evidence.unjudged))


@lru_cache(maxsize=256)
def _codes(patterns: tuple[str, ...]) -> frozenset[str]:
    """The codes of the catalogue that patterns stand for."""
    wanted = Patterns.compile(patterns)
    return frozenset(code for code in CATALOGUE if wanted.matches(code))
