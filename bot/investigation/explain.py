"""The analyst's place in an investigation: a finished report in, the same report with a grounded explanation out.

The rules' verdict, causes and remediation stay as they are, whatever the model says. Where it disagrees, or where the rules found nothing
and it names a cause that its evidence bears out, the report says so in a line.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.investigation.analyst import Analysis, Analyst, Tier
from bot.investigation.causes import says
from bot.investigation.model import Cited, Report
from bot.playbooks.errors import ExpressionError
from bot.playbooks.expressions import Condition, Extraction, Template
from bot.playbooks.model import Playbook, Step
from bot.tools.evidence import Evidence
from bot.tools.functions import Door

SUGGEST_FROM = 0.5
Context = Callable[..., Mapping[str, Any]]


@dataclass(frozen=True)
class Explainer:
    """``await explainer(report, playbook, context)``. ``door`` gives the model the tools that the playbook's agent block names."""

    analyst: Analyst
    door: Door | None = None

    async def __call__(self, report: Report, playbook: Playbook, context: Context) -> Report:
        """The report with an explanation, or with one line that says why there is none.

        ``context`` gives what the agent block's expressions see. Raises nothing but ``CancelledError``; without an agent block, without a
        model, or where the block says that none is needed, the report comes back as it was.
        """
        block = playbook.agent
        if block is None or not self.analyst.configured:
            return report
        live = [f.model_dump(mode="json") for f in report.findings if f.state == "true" and not f.suppressed_by]
        seen = context(findings=live)
        if block.skip_when and _holds(block.skip_when, seen):
            return report
        tier: Tier = "complex" if block.escalate_when and _holds(block.escalate_when, seen) else block.tier
        analysis = await self.analyst.analyse(
            report.alert,
            block,
            report.findings,
            shown(playbook, report.evidence),
            door=self.door,
            tier=tier,
            guidance=_rendered(block.prompt, seen),
        )
        return merged(report, analysis)


def shown(playbook: Playbook, evidence: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """What the model gets to read of the evidence: all of an answer, only what its step extracts, or nothing (``context`` of the step)."""
    steps = {step.id: step for step in playbook.steps}
    kept: list[Evidence] = []
    for one in evidence:
        step = steps.get(one.step)
        if step is not None and one.ok and step.context == "none":
            continue
        if step is not None and one.ok and step.context == "extract":
            kept.append(one.model_copy(update={"data": _extracts(step, one), "text": one.summary}))
        else:
            kept.append(one)
    return tuple(kept)


def _extracts(step: Step, evidence: Evidence) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, path in step.extract.items():
        try:
            found[name] = Extraction(path).apply(evidence.data)
        except ExpressionError:
            continue  # a path that cannot work on this answer gives nothing
    return found


def _holds(source: str, context: Mapping[str, Any]) -> bool:
    """A condition of the agent block; one that cannot be evaluated neither skips nor escalates."""
    try:
        return Condition(source).holds(context)
    except ExpressionError:
        return False


def _rendered(prompt: str, context: Mapping[str, Any]) -> str:
    """The team's guidance; without it the analyst's own instructions still hold."""
    try:
        return Template(prompt, statements=True).text(context) if prompt else ""
    except ExpressionError:
        return ""


def merged(report: Report, analysis: Analysis) -> Report:
    """``report`` with what ``analysis`` adds."""
    notes = [n for n in (analysis.note, *analysis.notes, *_opinion(report, analysis)) if n]
    claims = analysis.claims
    explanation: list[Cited] = []
    next_steps = list(report.next_steps)
    if claims is not None:
        explanation = [line.cited() for line in (claims.headline, *claims.claims) if line is not None]
        if report.verdict == "inconclusive":
            next_steps += [step for step in claims.next_steps if step not in next_steps]
    return report.model_copy(
        update={
            "explanation": _once(explanation),
            "ruled_out": _once([*report.ruled_out, *(line.cited() for line in (claims.ruled_out if claims else ()))]),
            "next_steps": tuple(next_steps),
            "evidence": (*report.evidence, *analysis.evidence),
            "notes": tuple(dict.fromkeys([*report.notes, *notes])),
            "cost": analysis.cost,
            "tool_calls": report.tool_calls + len(analysis.evidence),
        }
    )


def _opinion(report: Report, analysis: Analysis) -> list[str]:
    """A line where the model sees another cause than the rules, or one where they see none."""
    if analysis.claims is None:
        return []
    sound = [c for c in analysis.claims.causes if c.verified and not c.tainted and c.confidence >= SUGGEST_FROM]
    unsound = [c for c in analysis.claims.causes[:1] if not c.verified]
    if unsound:
        why = f": {unsound[0].reason}" if unsound[0].reason else ""
        return [
            f"the model suggested: {says(unsound[0].code)} on {unsound[0].object}{why}; the suggestion is marked unsupported"
        ]
    if not sound or any(c.code == rule.code for c in sound for rule in report.causes[:3]):
        return []
    best = sound[0]
    where = f"{says(best.code)} ({best.code}) on {best.object} [{', '.join(best.evidence)}]"
    if report.causes and report.verdict != "inconclusive":
        return [f"the model sees another cause: {where}; the rules do not bear it out, so the verdict stands"]
    return [f"the model suggests: {where}; no rule bears it out, so it stays a suggestion"]


def _once(lines: list[Cited]) -> tuple[Cited, ...]:
    return tuple({line.text.casefold(): line for line in reversed(lines)}.values())[::-1]
