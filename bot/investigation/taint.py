"""Whether a finding rests on text that a stranger can write: a signal read out of a log, or an expression over such text.

An answer names its tainted places as paths (``events[].message``, ``lines[]``, ``*`` for all). An expression reads such a place when it
reaches into the same branch and either names the field on the way or takes the branch as a whole, as text.
"""

from collections.abc import Iterable, Mapping

from bot.playbooks.expressions import Condition
from bot.tools.evidence import Evidence
from mcp_servers.common.envelope import Signal

WORKLOAD_TEXT = "log."  # signals that were read out of text which workloads write
# The crash is seen; these two reasons for it are its log's words.
WORKLOAD_REASONS = {"k8s.pod.crash_loop": ("port_conflict", "permission_denied")}
CONTAINERS = ("items", "data", "output")  # parts of a step's view that hold the answer itself
FACTS = ("ok", "status", "error", "signals")  # parts of a step's view that are not the answer's text


MESSAGES = "events[].message"
# What a pod prints for its probes and at its end, and what a kernel says, stands in their events; a Job's or a node's may repeat it.
QUOTING = ("", "Pod", "Node", "Job", "CronJob")


def is_tainted(signal: Signal, evidence: Evidence) -> bool:
    """Whether a signal of ``evidence`` says what a workload wrote."""
    said = signal.reason in WORKLOAD_REASONS.get(signal.code, ())
    return said or "*" in evidence.tainted or signal.code.startswith(WORKLOAD_TEXT)


def reads_tainted(condition: Condition, evidence: Mapping[str, Iterable[Evidence]]) -> bool:
    """Whether ``condition`` reads tainted text of any step's ``evidence`` (step id -> answers)."""
    return any(
        _reads(condition, path[2:], answer)
        for path in condition.paths
        if path[0] == "steps" and len(path) > 2
        for answer in evidence.get(path[1], ())
        if answer.ok
    )


def _reads(condition: Condition, path: tuple[str, ...], answer: Evidence) -> bool:
    if path[0] == "signals":
        return any(s.code in condition.texts and is_tainted(s, answer) for s in answer.signals)
    return path[0] not in FACTS and any(_reaches(condition, path, place) for place in _places(answer))


def _places(answer: Evidence) -> tuple[str, ...]:
    """The tainted places of an answer. Of events that were asked for by one object the messages are its controller's own words, unless
    the object is of a kind whose events quote what runs."""
    kind = str(answer.arguments.get("object") or "").partition("/")[0]
    if answer.tool != "get_events" or kind in QUOTING:
        return answer.tainted
    return tuple(place for place in answer.tainted if place != MESSAGES)


def _reaches(condition: Condition, path: tuple[str, ...], place: str) -> bool:
    if place == "*":
        return True
    if path[0] in CONTAINERS:
        path = path[1:]
    fields = tuple(place.replace("[]", "").split("."))
    shared = min(len(path), len(fields))
    if path[:shared] != fields[:shared]:
        return False
    rest = fields[shared:]
    named = {part for text in condition.texts for part in text.split(".")}
    return not rest or condition.as_text or any(field in named for field in rest)
