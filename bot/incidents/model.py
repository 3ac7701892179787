"""What the history hands out: plain records of what was accepted, what came of it and where it is seen."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

State = Literal["queued", "running", "concluded", "done", "stopped", "failed", "folded", "undelivered"]
OPEN: tuple[State, ...] = ("queued", "running", "concluded")


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InvestigationRecord(Record):
    """One investigation as the store knows it; the report is read apart because it is large.

    ``root`` is the thread's first message, ``ts`` the message that asked. ``into`` names the investigation that a folded alert is part
    of. ``trouble`` is why it failed or could not be delivered.
    """

    id: str
    key: str
    incident: str = ""
    kind: str
    channel: str
    ts: str
    root: str
    name: str
    state: State
    into: str = ""
    attempts: int = 0
    cancelled_by: str = ""
    playbook: str = ""
    verdict: str = ""
    headline: str = ""
    trouble: str = ""
    accepted_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN


class Admission(Record):
    """What became of a piece of work at the door. ``new`` is false for a repetition of the same key."""

    new: bool
    investigation: InvestigationRecord


class IncidentRecord(Record):
    """All messages of one alert (fingerprint) in one channel."""

    id: str
    channel: str
    fingerprint: str
    name: str
    status: Literal["firing", "resolved"]
    fired: int
    first_at: datetime
    last_at: datetime
    resolved_at: datetime | None = None


class MessageRecord(Record):
    """A message of ours. ``ts`` is "" between the decision to post and Slack's answer."""

    investigation: str
    kind: str
    channel: str
    ts: str


class FeedbackRecord(Record):
    investigation: str
    user: str
    value: Literal["up", "down"]
    reason: str = ""
