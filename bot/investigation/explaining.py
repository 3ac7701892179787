"""What the analyst may add to a finished report, and what not.

The rules' verdict is never overwritten: where they found a cause the model explains it; where they found none a cause of the model may
stand as likely, said to be the model's, if every fact in it was found in the evidence. Whatever did not hold is said in one line.
"""

from collections.abc import Callable, Mapping
from typing import Any

from bot.investigation import causes as vocabulary
from bot.investigation.analyst import Analysis, Analyst, Tier
from bot.investigation.claims import GroundedCause, GroundedClaims
from bot.investigation.model import Cause, Report
from bot.investigation.verdict import LIKELY_FROM
from bot.playbooks.errors import ExpressionError
from bot.playbooks.expressions import Condition, Template
from bot.playbooks.model import AgentBlock, Playbook
from bot.tools.functions import Door

MAX_MODEL_CONFIDENCE = 0.75  # what a model alone may be sure of
Context = Callable[..., Mapping[str, Any]]


class Explainer:
    """The analyst stage: skip, escalate or explain as the playbook's agent block says."""

    def __init__(self, analyst: Analyst, door: Door) -> None:
        self._analyst = analyst
        self._door = door

    async def __call__(self, report: Report, playbook: Playbook, context: Context) -> Report:
        """``report`` with the explanation, or with one line that says why there is none. Raises only ``CancelledError``."""
        block = playbook.agent
        views = [f.model_dump(mode="json") for f in report.findings if f.state == "true" and not f.suppressed_by]
        seen = context(findings=views)
        if block is None or (block.skip_when and _holds(block.skip_when, seen)):
            return report
        tier: Tier = "complex" if block.escalate_when and _holds(block.escalate_when, seen) else block.tier
        analysis = await self._analyst.analyse(
            report.alert,
            block,
            report.findings,
            report.evidence,
            door=self._door,
            tier=tier,
            guidance=_guidance(block, seen),
        )
        return explained(report, analysis)


def explained(report: Report, analysis: Analysis) -> Report:
    """The report with what the analysis adds. Pure."""
    notes = [*report.notes, *([analysis.note] if analysis.note else []), *analysis.notes]
    claims = analysis.claims
    changed: dict[str, Any] = {
        "cost": analysis.cost,
        "evidence": (*report.evidence, *analysis.evidence),
        "tool_calls": report.tool_calls + len(analysis.evidence),
    }
    if claims is not None:
        changed["explanation"] = claims.explanation
        changed["next_steps"] = tuple(dict.fromkeys((*report.next_steps, *claims.next_steps)))
        notes += claims.notes
        added, said = _causes(report, claims)
        changed.update(added)
        notes += said
    return report.model_copy(update={**changed, "notes": tuple(dict.fromkeys(notes))})


def _causes(report: Report, claims: GroundedClaims) -> tuple[dict[str, Any], list[str]]:
    """What the model's first cause changes, and what has to be said about it."""
    if not claims.causes:
        return {}, []
    first = claims.causes[0]
    means = vocabulary.says(first.code)
    if not first.verified:
        reason = f": {first.reason}" if first.reason else ""
        return {}, [f"the model suggested that {means} ({first.object}){reason}; the suggestion is marked unsupported"]
    if report.verdict != "inconclusive":
        ours = report.causes[0]
        if first.code != ours.code:
            return {}, [f"the model would rather say that {means} ({first.object}); the rules' verdict stands"]
        return {}, []
    confidence = min(first.confidence, MAX_MODEL_CONFIDENCE)
    if first.tainted or confidence < LIKELY_FROM:
        return {}, [f"the model suggests that {means} ({first.object}); the evidence is too thin to say so"]
    headline = claims.headline
    named = (
        headline.text
        if headline is not None and headline.verified and not headline.tainted
        else f"{means} ({first.object})"
    )
    changes = {
        "verdict": "likely",
        "headline": named,
        "causes": (_cause(first, confidence, named), *report.causes),
        "why": claims.explanation,
    }
    return changes, ["the cause was named by the model from checked evidence; no rule knows it"]


def _cause(cause: GroundedCause, confidence: float, title: str) -> Cause:
    return Cause(
        code=cause.code,
        object=cause.object,
        confidence=round(confidence, 2),
        title=title,
        says=vocabulary.says(cause.code),
        evidence=cause.evidence,
    )


def _holds(source: str, context: Mapping[str, Any]) -> bool:
    """A condition of the agent block; what cannot be evaluated neither skips nor escalates."""
    try:
        return Condition(source).holds(context)
    except ExpressionError:
        return False


def _guidance(block: AgentBlock, context: Mapping[str, Any]) -> str:
    try:
        return Template(block.prompt, statements=True).text(context) if block.prompt else ""
    except ExpressionError:
        return ""  # the analyst's own instructions still hold
