"""What the history hands out: plain records of what was accepted, what came of it and where it is seen."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from bot.alerts.storm import Joining

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


class JoinedRecord(Record):
    """An alert that joined an investigation: where it was posted, what it is about, why it joined."""

    id: str
    into: str
    name: str
    channel: str
    ts: str
    joining: Joining = Joining()
    because: str = ""
    loose: bool = False
    at: datetime


class GatheredRecord(Record):
    """What joined one investigation: how many alerts, how many of them in other channels, about how many places, and the first few."""

    investigation: str
    count: int
    elsewhere: int = 0
    places: int = 1
    newest: datetime
    first: tuple[JoinedRecord, ...] = ()


def shaped(row: Mapping[Any, Any], model: type[Record]) -> dict[str, Any]:
    """A row's columns as fields of ``model``: those that it has, times as moments."""
    values = {str(k): v for k, v in row.items() if k in model.model_fields}
    return {k: _moment(v) if k.endswith("_at") else v for k, v in values.items()}


def record_of(row: Mapping[Any, Any]) -> InvestigationRecord:
    """A row of the investigations' table, as it is read or as it is about to be written."""
    return InvestigationRecord.model_validate(shaped(row, InvestigationRecord))


def _moment(value: float | None) -> datetime | None:
    return datetime.fromtimestamp(value, UTC) if value is not None else None
