"""Since when a container has been looping.

Its last end is minutes ago, however long it has gone on. The kubelet waits 10 s before it starts a container again, then twice as long each
time, 5 min at most, and says how long it waits now; a run of 10 min starts the count anew. So the wait tells how many starts the loop has
had, and at the longest wait the number of restarts does.
"""

import re
from datetime import datetime, timedelta

from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.objects import Container, Json
from mcp_servers.kubernetes.quantities import parse_time

FIRST_S = 10.0
LONGEST_S = 300.0
_WAIT = re.compile(r"back-?off (?:(?P<minutes>[0-9]{1,3})m)?(?P<seconds>[0-9]{1,3})s\b")


def looping_since(pod: Json, container: Container) -> datetime | None:
    """When the loop began, as far as can be told; ``None`` where its last end is not known. Never before the pod started."""
    started, ended = (parse_time(o.text(container.ended, key)) for key in ("startedAt", "finishedAt"))
    if ended is None:
        return None
    lived = max(0.0, (ended - started).total_seconds()) if started else 0.0
    runs = _runs(container)
    waited = sum(min(FIRST_S * 2**n, LONGEST_S) for n in range(min(runs, 6))) + max(0, runs - 6) * LONGEST_S
    began = ended - timedelta(seconds=waited + (runs + 1) * lived)
    born = parse_time(o.text(pod, "status", "startTime"))
    return max(began, born) if born and born <= ended else began


def _runs(container: Container) -> int:
    """Starts that the loop has had before its last end."""
    wait = _WAIT.search(o.text(container.state[1], "message")) if container.state[0] == "waiting" else None
    if wait is None:
        return 0
    seconds = 60 * int(wait["minutes"] or 0) + int(wait["seconds"])
    if seconds >= LONGEST_S:
        return container.restarts
    runs, step = 0, FIRST_S
    while step < seconds:
        runs, step = runs + 1, step * 2
    return min(runs, container.restarts)
