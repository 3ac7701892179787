"""What an investigation says while it runs (`Progress`) and when it is done (`Report`). Frozen; every renderer reads only these."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bot.alerts.model import Alert
from bot.tools.evidence import Evidence

Verdict = Literal["confirmed", "likely", "inconclusive", "resolved"]
StepStatus = Literal["pending", "running", "done", "failed", "skipped"]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StepView(Frozen):
    """One row of the card. ``note`` is one line for people: the result, or why it failed or was skipped."""

    id: str
    title: str
    status: StepStatus = "pending"
    note: str = ""
    evidence: str = ""


class Progress(Frozen):
    """The whole state, each time: the latest one wins, none needs the one before."""

    investigation: str
    stage: Literal["accepted", "routed", "steps", "analysis", "done", "cancelled", "failed"]
    alert: Alert
    playbook: str = ""
    playbook_title: str = ""
    chosen_because: str = ""  # "name matched exactly"
    steps: tuple[StepView, ...] = ()
    line: str = ""  # what is going on now, one line
    started_at: datetime


class Cited(Frozen):
    """A line of the report. ``verified`` is false when grounding could not find its facts in the evidence it cites."""

    text: str
    evidence: tuple[str, ...] = ()
    verified: bool = True
    tainted: bool = False
    by: Literal["rules", "model"] = "rules"


class Cause(Frozen):
    """A ranked hypothesis: a code of the vocabulary on an object."""

    code: str  # "kubernetes.config.reference_missing"
    object: str  # "Deployment/shop/checkout"
    confidence: float
    title: str
    says: str = ""
    evidence: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    since: str | None = None
    decisive: bool = False


class Finding(Frozen):
    """The result of one rule: true, false, or unknown because a step it needs did not succeed (``reason``)."""

    id: str
    state: Literal["true", "false", "unknown"]
    title: str = ""
    severity: str = "medium"
    confidence: float = 0.0
    decisive: bool = False
    cause: str = ""
    object: str = ""
    why: str = ""
    since: str | None = None
    evidence: tuple[str, ...] = ()
    tainted: bool = False
    suppressed_by: str = ""
    reason: str = ""


class Check(Frozen):
    id: str
    title: str
    status: Literal["ok", "failed", "skipped"]
    reason: str = ""
    evidence: str = ""
    duration_ms: float = 0.0


class ChangeLine(Frozen):
    at: str
    kind: str
    target: str
    what: str
    diff: tuple[str, ...] = ()
    actor: str = ""
    minutes_before_onset: float | None = None
    score: float = 0.0
    evidence: str = ""


class Action(Frozen):
    do: str
    command: str = ""
    risk: Literal["none", "low", "medium", "high"] = "low"
    evidence: tuple[str, ...] = ()


class Cost(Frozen):
    """What the model cost. All zero and ``model`` "" when no model took part."""

    model: str = ""
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = None


class Report(Frozen):
    """What is known at the end. One object, four renderings: JSON, Markdown, terminal, Slack.

    ``headline`` is one sentence with cause and object in an engineer's words. ``explanation`` is the model's text where there is one,
    grounded. ``notes`` are honest lines ("no model: 429 four times"). ``checks`` covers every step of the playbook.
    """

    id: str
    alert: Alert
    verdict: Verdict
    headline: str
    summary: str = ""
    since: str | None = None
    affected: str = ""
    playbook: str
    playbook_title: str = ""
    chosen_because: str = ""
    causes: tuple[Cause, ...] = ()
    why: tuple[Cited, ...] = ()
    known: tuple[Cited, ...] = ()
    ruled_out: tuple[Cited, ...] = ()
    not_checked: tuple[Cited, ...] = ()
    next_steps: tuple[str, ...] = ()
    explanation: tuple[Cited, ...] = ()
    findings: tuple[Finding, ...] = ()
    checks: tuple[Check, ...] = ()
    changes: tuple[ChangeLine, ...] = ()
    blind_spots: tuple[str, ...] = ()
    remediation: tuple[Action, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    mentions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    cost: Cost = Cost()
    tool_calls: int = 0
    started_at: datetime
    duration_seconds: float = 0.0
    extra: dict[str, Any] = Field(default_factory=dict)

    @property
    def ran(self) -> tuple[int, int]:
        """How many checks ran, of how many that were due (skipped ones do not count)."""
        due = [c for c in self.checks if c.status != "skipped"]
        return sum(c.status == "ok" for c in due), len(due)
