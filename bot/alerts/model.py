"""`Alert`: what a sender said, normalised. What the message does not say stays unknown: a wrong pod is worse than none."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["firing", "resolved"]
Level = Literal["critical", "warning", "info"]


class Link(BaseModel):
    """A link that the sender gave, e.g. its rule or its runbook."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    title: str
    url: str


class Sibling(BaseModel):
    """Another alert of the same message or group, cut to what tells where and what: evidence about the blast radius, never a target."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str = ""
    severity: Level | None = None
    text: str = ""  # summary and description, at most 1000 characters
    namespace: str = ""
    service: str = ""
    workload: str = ""
    pod: str = ""
    node: str = ""


class Alert(BaseModel):
    """One alert of one sender.

    ``labels`` are the sender's own, verbatim. ``values`` are label values whose names the sender's template dropped (Alertmanager's
    default Slack title), in their order; `bot.alerts.shapes` guesses at them and a cluster must verify the guess.
    ``severity`` is the sender's word, normalised to three levels; ``None`` when it said nothing. ``fingerprint`` is stable for the
    same alert from the same sender over time. ``raw`` is the redacted original, for the record only. ``siblings`` are the other firing
    alerts that came with it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    name: str
    status: Status = "firing"
    severity: Level | None = None
    severity_word: str = ""
    summary: str = ""
    description: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    values: tuple[str, ...] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    links: tuple[Link, ...] = ()
    fingerprint: str = ""
    expr: str = ""
    siblings: tuple[Sibling, ...] = ()
    raw: dict[str, Any] = Field(default_factory=dict)

    # What the alert is about, from named labels only (dotted OpenTelemetry names included), never from the scrape job's own labels.
    namespace: str = ""
    pod: str = ""
    container: str = ""
    workload: str = ""  # "Deployment/checkout", "StatefulSet/db", or "checkout" when the kind is unknown
    service: str = ""
    node: str = ""
    cluster: str = ""

    @property
    def hints(self) -> str:
        """What a resolver may look for: ``namespace=shop pod=checkout-1`` for what is named, then the bare values.

        Space separated, at most 20 tokens, each at most 120 characters.
        """
        named = [
            f"{key}={value}"
            for key in ("namespace", "pod", "workload", "service", "container", "node")
            if (value := str(getattr(self, key)))
        ]
        bare = [v for v in self.values if v and " " not in v]
        return " ".join(t[:120] for t in [*named, *bare][:20])

    @property
    def text(self) -> str:
        """Name, summary and description, one a line, for text patterns and lexical matching."""
        return "\n".join(t for t in (self.name, self.summary, self.description) if t)


class Parsed(BaseModel):
    """What one message held.

    ``is_alert`` is false for everything that must start nothing: people, deploy notices, digests, our own posts; ``reason`` says why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    is_alert: bool
    source: str = ""
    alerts: tuple[Alert, ...] = ()
    reason: str = ""
