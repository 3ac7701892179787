"""The same alert in a list of those that fire now: whether it is there, and what its message left out.

Senders' templates drop the names of labels; the sender's own API has them. What several candidates do not agree on stays unknown.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, urlsplit

from bot.alerts.fingerprint import VOLATILE, stem
from bot.alerts.model import Alert
from bot.alerts.shapes import shape_of
from bot.alerts.subject import normal

_ABOUT = ("namespace", "pod", "container", "workload", "service", "node", "cluster")
_REWRITTEN = frozenset({"severity", "value", "alertname", "state", "status"})  # what templates rewrite on the way


def same(alert: Alert, candidates: Sequence[Alert]) -> tuple[Alert, ...]:
    """Those of ``candidates`` that contradict nothing of what ``alert`` says; of these, the ones that share most with it."""
    fitting = [(_shared(alert, c), c) for c in candidates if c.name == alert.name and not _differ(alert, c)]
    most = max((n for n, _ in fitting), default=0)
    return tuple(c for n, c in fitting if n == most)


def surely_absent(alert: Alert, candidates: Sequence[Alert]) -> bool:
    """Whether ``alert`` says enough about itself to say that none of ``candidates`` is it."""
    if alert.labels:
        return not same(alert, candidates)
    return bool(alert.pod) and not any(stem(c.pod) == stem(alert.pod) for c in candidates if c.name == alert.name)


def _differ(alert: Alert, other: Alert) -> bool:
    """Whether they disagree in anything that stays while the trouble stays: a new pod of the same workload is the same trouble."""
    theirs = {normal(k): v for k, v in other.labels.items()}
    for key, value in alert.labels.items():
        plain = normal(key)
        known = theirs.get(plain)
        if known is None or plain in _REWRITTEN or plain in VOLATILE:
            continue
        if (stem(known) != stem(value)) if "pod" in plain else (known != value):
            return True
    for field in _ABOUT:
        mine, told = str(getattr(alert, field)), str(getattr(other, field))
        if field == "node" and (alert.pod or alert.workload):
            continue  # a new pod may run elsewhere
        if mine and told and stem(mine.rpartition("/")[2]) != stem(told.rpartition("/")[2]):
            return True
    if alert.labels:
        return False
    # Values without names: all that name something came from labels that the list has, or it is another alert.
    named = [v for v in alert.values if shape_of(v) in ("pod", "node", "name")]
    told_values = {stem(v) for v in other.labels.values()}
    return any(stem(v) not in told_values for v in named)


def _shared(alert: Alert, other: Alert) -> int:
    told = set(other.labels.values())
    return len(told.intersection(alert.values)) + len(told.intersection(alert.labels.values()))


def completed(alert: Alert, found: Sequence[Alert]) -> Alert:
    """``alert`` with what all of ``found`` agree on and it did not say: labels, what it is about, its query, when it began."""
    if not found:
        return alert
    first, *others = found
    labels = {k: v for k, v in first.labels.items() if all(o.labels.get(k) == v for o in others)}
    update: dict[str, object] = {
        "labels": {**labels, **alert.labels},
        "annotations": _annotations(alert, first, others),
    }
    for field in (*_ABOUT, "expr", "starts_at", "description"):
        told = getattr(first, field)
        if not getattr(alert, field) and told and all(getattr(o, field) == told for o in others):
            update[field] = told
    if alert.starts_at is None and others:
        begun = [f.starts_at for f in found if f.starts_at is not None]
        update["starts_at"] = min(begun, default=None)
    named = set(labels.values())
    update["values"] = tuple(v for v in alert.values if v not in named)
    return alert.model_copy(update=update)


def _annotations(alert: Alert, first: Alert, others: Sequence[Alert]) -> Mapping[str, str]:
    shared = {k: v for k, v in first.annotations.items() if all(o.annotations.get(k) == v for o in others)}
    return {**shared, **alert.annotations}


def query_of(generator_url: str) -> str:
    """The query in a Prometheus link (``g0.expr``), "" when there is none."""
    try:
        return (parse_qs(urlsplit(generator_url).query).get("g0.expr") or [""])[0][:2_000]
    except ValueError:
        return ""
