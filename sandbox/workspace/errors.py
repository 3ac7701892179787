"""How a method says no: Slack's error codes, with the details that Slack sends beside them."""

from collections.abc import Sequence
from typing import Any


class SlackError(Exception):
    """A method refuses. ``code`` as Slack spells it; ``messages`` become response_metadata.messages; ``retry_after`` in seconds makes
    the answer an HTTP 429."""

    def __init__(
        self, code: str, messages: Sequence[str] = (), *, retry_after: int | None = None, **extra: Any
    ) -> None:
        self.code = code
        self.messages = tuple(messages)
        self.retry_after = retry_after
        self.extra = extra
        super().__init__(code, *self.messages)

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"ok": False, "error": self.code, **self.extra}
        if self.messages:
            body["errors"] = list(self.messages)
            body["response_metadata"] = {"messages": [f"[ERROR] {message}" for message in self.messages]}
        return body


class DispatchError(Exception):
    """A command, click or submission found nobody who answered in time. ``code``: operation_timeout or dispatch_failed."""

    def __init__(self, code: str, what: str) -> None:
        self.code = code
        super().__init__(f"{what} failed with the error “{code}”")
