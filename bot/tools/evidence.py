"""`Evidence`: what one tool call returned, ready to be cited. Everything downstream rests on it."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mcp_servers.common.envelope import ErrorInfo, Signal, Window


class Evidence(BaseModel):
    """One call through the hub, redacted and bounded before it came here.

    ``id`` is ``E<n>`` (``E3.2`` for the second item of a ``for_each`` step): fixed by the playbook's order, not by completion.
    ``data`` is the structured answer (``None`` on failure or for servers that return text only); ``text`` what a reader sees.
    ``tainted`` names the JSON paths of text that a stranger can write; ``["*"]`` means all of it.
    ``unjudged`` are patterns of signal codes that this answer could not carry although its question asks for them: an adapter stands
    between, and a signal that is not there means nothing. Empty for our own tools.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    step: str  # the playbook step's id, or "agent"
    title: str = ""
    server: str
    tool: str  # without the server's name
    arguments: dict[str, Any] = Field(default_factory=dict)
    status: Literal["ok", "error"] = "ok"
    error: ErrorInfo | None = None
    summary: str = ""
    data: Any = None
    text: str = ""
    signals: tuple[Signal, ...] = ()
    notes: tuple[str, ...] = ()
    window: Window | None = None
    link: str = ""
    tainted: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()
    truncated: bool = False
    cached: bool = False
    at: datetime
    duration_ms: float = 0.0

    @property
    def ok(self) -> bool:
        return self.status == "ok"
