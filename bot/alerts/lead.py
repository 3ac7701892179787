"""Of several alerts that came together one leads: it is investigated, and the others are evidence."""

from collections.abc import Sequence
from typing import Final

from bot.alerts.model import Alert, Sibling

MAX_SIBLINGS: Final = 60
MAX_TEXT: Final = 1_000


def lead(alerts: Sequence[Alert]) -> Alert:
    """The first that fires, else the first; with the other firing ones, at most `MAX_SIBLINGS`, as its siblings. Needs one at least."""
    firing = [alert for alert in alerts if alert.status == "firing"]
    first = (firing or list(alerts))[0]
    others = [sibling(alert) for alert in firing if alert is not first][:MAX_SIBLINGS]
    return first.model_copy(update={"siblings": tuple(others)}) if others else first


def sibling(alert: Alert) -> Sibling:
    """An alert cut to what tells where and what."""
    return Sibling(
        name=alert.name[:120],
        severity=alert.severity,
        text="\n".join(t for t in (alert.summary, alert.description) if t)[:MAX_TEXT],
        namespace=alert.namespace,
        service=alert.service,
        workload=alert.workload,
        pod=alert.pod,
        node=alert.node,
    )
