"""What expressions see: plain mappings made from an alert and from what the steps returned.

``alert``     the alert's fields, plus ``hints`` (for a resolver) and ``text`` (name, summary, description)
``vars``      the playbook's rendered ``vars``
``steps.ID``  ``ok``, ``status``, ``error``, ``data`` (alias ``output``), ``summary``, ``signals``, ``notes``, ``items`` (for_each),
              the step's extracts, and the answer's own top-level fields where no name above hides them
``item``      the current item of a ``for_each``
``signal``    the signal that a finding matched, with ``name``, ``namespace`` and ``kind`` of its owner (else of its subject)
``findings``  results so far
``playbook``  ``id``, ``title``, ``owner``, ``runbook``
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

from bot.alerts.model import Alert
from bot.playbooks.model import Playbook
from mcp_servers.common.envelope import ErrorInfo, Signal

StepState = Literal["ok", "error", "skipped", "pending"]
RESERVED = frozenset({"ok", "status", "error", "data", "output", "summary", "signals", "notes", "items"})


class EvidenceLike(Protocol):
    """What this room reads of `bot.tools.evidence.Evidence`; rooms on one floor do not import each other."""

    @property
    def ok(self) -> bool: ...
    @property
    def error(self) -> ErrorInfo | None: ...
    @property
    def summary(self) -> str: ...
    @property
    def data(self) -> Any: ...
    @property
    def text(self) -> str: ...
    @property
    def signals(self) -> tuple[Signal, ...]: ...
    @property
    def notes(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class StepResult:
    """How one step went.

    ``evidence`` has one entry, or one an item for a ``for_each`` step (``each``), in the order of ``items``; none when it did not run.
    ``extracted`` holds the values of ``extract``. ``error`` says why it failed or was skipped, for people.
    """

    id: str
    status: StepState
    evidence: tuple[EvidenceLike, ...] = ()
    extracted: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    items: tuple[Any, ...] = ()
    each: bool = False

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    @property
    def signals(self) -> tuple[Signal, ...]:
        """All signals of the step's answers, in order."""
        return tuple(s for e in self.evidence for s in e.signals)

    @cached_property
    def view(self) -> Mapping[str, Any]:
        """The mapping behind ``steps.<id>``."""
        return _step_view(self)


def alert_view(alert: Alert) -> dict[str, Any]:
    """The mapping behind ``alert``. The raw message stays out: nothing in a playbook may depend on a sender's private shape."""
    view = alert.model_dump(mode="json", exclude={"raw"})
    return {**view, "hints": alert.hints, "text": alert.text}


def signal_view(signal: Signal) -> dict[str, Any]:
    """The mapping behind ``signal``: its fields (absent numbers and times left out) and the parts of the object that it speaks of."""
    view = {k: v for k, v in ((f, getattr(signal, f)) for f in Signal.model_fields) if v is not None}
    view["object"] = signal.owner or signal.subject
    kind, namespace, name = object_parts(view["object"])
    return {**view, "kind": kind, "namespace": namespace, "name": name}


def object_parts(path: str) -> tuple[str, str, str]:
    """Kind, namespace and name of ``Deployment/shop/checkout``, ``Node/worker-1`` (no namespace) or ``service/cart``."""
    parts = path.split("/")
    if len(parts) >= 3:
        return parts[0], parts[1], "/".join(parts[2:])
    return (parts[0], "", parts[1]) if len(parts) == 2 else ("", "", path)


def context(
    alert: Alert | Mapping[str, Any],
    steps: Mapping[str, StepResult],
    *,
    variables: Mapping[str, Any] | None = None,
    playbook: Playbook | None = None,
    item: Any = None,
    signal: Signal | None = None,
    findings: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """One context for conditions and templates. ``item`` and ``signal`` are there only when given. ``alert`` may be a ready view."""
    made: dict[str, Any] = {
        "alert": alert_view(alert) if isinstance(alert, Alert) else alert,
        "vars": dict(variables or {}),
        "steps": {id_: result.view for id_, result in steps.items()},
        "findings": list(findings),
    }
    if playbook is not None:
        made["playbook"] = {
            "id": playbook.id,
            "title": playbook.title,
            "owner": playbook.owner,
            "runbook": playbook.runbook,
        }
    if item is not None:
        made["item"] = item
    if signal is not None:
        made["signal"] = signal_view(signal)
    return made


def _answer(evidence: EvidenceLike) -> Any:
    """Structure where there is some, else the text."""
    return evidence.data if evidence.data is not None else evidence.text


def _step_view(result: StepResult) -> dict[str, Any]:
    view: dict[str, Any] = {"ok": result.ok, "status": result.status, "error": result.error}
    if not result.evidence and not (result.each and result.ok):
        return view  # nothing to see: any other field is a missing value, which is what it should be
    if result.each:
        view["items"] = [
            {
                "item": result.items[i] if i < len(result.items) else None,
                "ok": e.ok,
                "data": e.data if e.data is not None else e.text,
                "summary": e.summary,
                "error": e.error.message if e.error else "",
                "signals": [signal_view(s) for s in e.signals],
            }
            for i, e in enumerate(result.evidence)
        ]
        view["summary"] = "; ".join(e.summary for e in result.evidence if e.summary)[:240]
        view["notes"] = [n for e in result.evidence for n in e.notes]
        view["signals"] = [signal_view(s) for s in result.signals]
        return {**view, **{k: v for k, v in result.extracted.items() if k not in RESERVED}}
    first = result.evidence[0]
    if not first.ok:
        return view
    data = _answer(first)
    own = {k: v for k, v in data.items() if isinstance(k, str)} if isinstance(data, Mapping) else {}
    return {
        **own,
        **result.extracted,
        **view,
        "data": data,
        "output": data,
        "summary": first.summary,
        "signals": [signal_view(s) for s in first.signals],
        "notes": list(first.notes),
    }
