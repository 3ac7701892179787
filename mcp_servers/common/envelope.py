"""The one shape of every answer.

A tool returns a model that extends `Envelope`. The compact JSON text equals the structured payload, so that a model, which reads
text, and a rule, which reads structure, see the same. Errors are answers too: ``is_error`` with a code, a message and a hint for the
person who must act.
"""

import json
from typing import Any, ClassVar, Literal

from mcp.types import CallToolResult, TextContent
from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

Severity = Literal["critical", "warning", "info"]
ErrorCode = Literal[
    "VALIDATION",
    "NOT_FOUND",
    "UNAUTHORIZED",
    "FORBIDDEN",
    "TIMEOUT",
    "RATE_LIMITED",
    "TOO_LARGE",
    "UNAVAILABLE",
    "UNSUPPORTED",
    "UPSTREAM",
]


class Lean(BaseModel):
    """A model that leaves out its empty optional fields when serialised; the result stays valid against the published schema."""

    model_config = ConfigDict(extra="forbid")

    @model_serializer(mode="wrap")
    def _lean(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        required = {name for name, field in type(self).model_fields.items() if field.is_required()}
        empty: tuple[Any, ...] = (None, "", [], {})
        return {k: v for k, v in handler(self).items() if k in required or v not in empty}


class Window(Lean):
    """A closed time window; ISO 8601 UTC with ``Z``."""

    start: str
    end: str
    seconds: int = 0


class Ref(Lean):
    """A pointer to the object an answer speaks of, e.g. ``k8s:Pod/prod/checkout-x``."""

    id: str
    url: str = ""


class Signal(Lean):
    """A typed judgement of a server. Rules match on `code`, `reason` and `subject`, never on prose.

    ``code`` is one of `mcp_servers.common.signals.CATALOGUE`; ``reason`` one of the code's closed reasons ("" where it has none).
    ``subject`` is ``Kind/namespace/name`` (``Node/name`` for cluster-scoped kinds, ``service/name`` for a telemetry service);
    ``owner`` names the workload that the subject belongs to in the same grammar ("" when the subject is its own owner).
    """

    code: str
    severity: Severity
    subject: str
    owner: str = ""
    reason: str = ""
    detail: str = ""  # one sentence, <= 240 characters, redacted
    value: float | None = None
    baseline: float | None = None
    threshold: float | None = None
    unit: str = ""
    since: str | None = None  # ISO 8601 UTC
    count: int | None = None
    ref: str = ""


class Page(Lean):
    """Where a list was cut."""

    returned: int
    total: int | None = None
    total_is_lower_bound: bool = False
    next: str = ""


class Partial(Lean):
    """A part of the answer that could not be had; the rest stands."""

    part: str
    code: str
    message: str


class Source(Lean):
    """Where and when the answer was read."""

    backend: str
    instance: str
    fetched_at: str
    took_ms: int
    cached: bool = False


SHRINK_KEY = "rca/shrink"
"""Where `ok` tells the door which fields go first; it does not leave the server."""


class Envelope(Lean):
    """What every answer carries.

    ``SHRINK`` names the optional fields that an oversized answer loses first, the least useful first; ``containers[].probes`` means that
    field of each row.
    """

    SHRINK: ClassVar[tuple[str, ...]] = ()

    summary: str  # one line, <= 240 characters, numbers first, written by code
    window: Window | None = None
    signals: list[Signal] = []  # <= 12; severity, then since
    notes: list[str] = []  # <= 5; clamps, fall-backs, why it is empty
    partial: list[Partial] = []
    truncated: bool = False
    page: Page | None = None
    untrusted: list[str] = []  # JSON paths ("logs[].text") of text that workloads or users wrote
    refs: list[Ref] = []
    source: Source | None = None


class ErrorInfo(Lean):
    """Why a call failed and what to do. ``missing_permission`` reads like "list pods in namespace prod"."""

    code: ErrorCode
    message: str
    retryable: bool = False
    retry_after_s: float | None = None
    hint: str = ""
    missing_permission: str = ""
    backend_status: int | None = None


class ToolFailure(Exception):
    """Raised inside a tool; `strict.tool` turns it into an ``is_error`` answer."""

    def __init__(self, code: ErrorCode, message: str, **more: Any) -> None:
        self.info = ErrorInfo(code=code, message=message, **more)
        super().__init__(f"{code}: {message}")


def compact(payload: Any) -> str:
    """JSON without spaces, as it goes over the wire."""
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False)


def ok(answer: Envelope) -> CallToolResult:
    """The answer as text and as structure, equal to each other."""
    payload = answer.model_dump(mode="json")
    return CallToolResult(
        content=[TextContent(type="text", text=compact(payload))],
        structured_content=payload,
        meta={SHRINK_KEY: list(answer.SHRINK)} if answer.SHRINK else None,
    )


def fail(error: ErrorInfo) -> CallToolResult:
    """A failed call: ``{"error": {...}}``."""
    payload = {"error": error.model_dump(mode="json")}
    return CallToolResult(
        is_error=True, content=[TextContent(type="text", text=compact(payload))], structured_content=payload
    )
