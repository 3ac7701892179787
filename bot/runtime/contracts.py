"""What the runtime takes and what it asks of the world. The only names that the Slack room and the runtime share."""

from datetime import datetime
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field

from bot.alerts.model import Alert
from bot.incidents.model import GatheredRecord
from bot.investigation.model import Progress, Report


class Work(BaseModel):
    """One accepted thing to do: the inbox row and the workflow's id in one.

    ``key`` is the deduplication key: ``alert:{team}:{channel}:{ts}`` for a message (so its twin events and a reconciliation collapse),
    ``run:{trigger}`` for a command, ``msg:{team}:{channel}:{ts}`` for a question. ``event`` is the redacted message, small (<= 64 KB).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    kind: Literal["alert", "question"]
    team: str = ""
    channel: str
    ts: str  # the message that this is about: the thread's root for an alert
    thread_ts: str = ""
    user: str = ""
    text: str = ""
    playbook: str = ""  # a pin from `/rca run <playbook>`
    inputs: dict[str, str] = Field(default_factory=dict)  # key=value of `/rca run`
    alerts: tuple[Alert, ...] = ()  # parsed at the door; empty with `trouble` set when parsing failed
    trouble: str = ""
    note: str = ""  # what the report must say of how it came in, e.g. that it was seen late
    event: dict[str, Any] = Field(default_factory=dict)
    received_at: datetime


class Thread(Protocol):
    """The place where one investigation is seen. Implemented by the Slack room; a test may implement it with a list.

    All methods may be called again after a restart with the same arguments and must then edit, not post twice.
    """

    async def opened(self, work: Work, investigation: str) -> None:
        """The first visible sign. Must be quick; failures are logged and do not stop the investigation."""

    def progress(self, work: Work, progress: Progress) -> None:
        """Remember the latest state; delivery is coalesced and best effort. Never blocks, never raises."""

    async def finished(self, work: Work, report: Report) -> None:
        """Deliver the final state. Returns when it is delivered or raises `DeliveryError` when it cannot be."""

    async def stopped(self, work: Work, progress: Progress, by: str) -> None:
        """Somebody pressed Stop: say so and keep what is known."""

    async def failed(self, work: Work, message: str) -> None:
        """One clear line: what went wrong and what to do."""

    async def folded(self, work: Work, channel: str, ts: str, *, because: str, quiet: bool) -> None:
        """This alert is part of the investigation whose thread is (``channel``, ``ts``); one line says so, and ``because`` of what.

        ``quiet``: a mark on the alert is enough, because many more joined.
        """

    async def gathered(self, work: Work, gathered: GatheredRecord, report: Report | None) -> None:
        """These alerts joined the investigation of ``work``: its card says so, now and in each later state.

        ``report`` is there when the card shows it already; without it the next state may bring it.
        """

    async def answered(self, work: Work, text: str, evidence: tuple[str, ...]) -> None:
        """The answer to a question, in Markdown."""


class DeliveryError(Exception):
    """The final state could not be delivered; the message says why and what to do. ``permanent`` ones are not retried."""

    def __init__(self, message: str, *, permanent: bool) -> None:
        self.permanent = permanent
        super().__init__(message)
