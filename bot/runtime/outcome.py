"""How an investigation ended, small enough to be a checkpoint; the report itself lies in the store."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from bot.investigation.model import Progress


class Outcome(BaseModel):
    """``progress`` is the last state of a stopped investigation, ``message`` the one line of a failed one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["report", "stopped", "failed", "folded"]
    message: str = ""
    by: str = ""
    progress: Progress | None = None
