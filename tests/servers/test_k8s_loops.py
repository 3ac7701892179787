"""Since when a container has been looping: from the kubelet's wait, the restarts, and how long a run lasts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mcp_servers.kubernetes import objects as o
from mcp_servers.kubernetes.loops import looping_since

ENDED = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def pod(message: str, restarts: int, *, lived_s: float = 0, age: timedelta = timedelta(days=30)) -> dict[str, Any]:
    last = {
        "startedAt": (ENDED - timedelta(seconds=lived_s)).isoformat(),
        "finishedAt": ENDED.isoformat(),
        "exitCode": 1,
    }
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": message}} if message else {"running": {}}
    status = {"name": "app", "restartCount": restarts, "state": state, "lastState": {"terminated": last}}
    return {
        "spec": {"containers": [{"name": "app"}]},
        "status": {"startTime": (ENDED - age).isoformat(), "containerStatuses": [status]},
    }


def since(made: dict[str, Any]) -> timedelta:
    found = looping_since(made, next(iter(o.containers(made))))
    assert found is not None
    return ENDED - found


@pytest.mark.parametrize(
    ("message", "restarts", "ago"),
    [
        ("back-off 10s restarting failed container=app", 1, timedelta(0)),
        ("back-off 40s restarting failed container=app", 3, timedelta(seconds=10 + 20)),
        ("back-off 40s restarting failed container=app", 90, timedelta(seconds=10 + 20)),
        ("back-off 2m40s restarting failed container=app", 5, timedelta(seconds=10 + 20 + 40 + 80)),
        (
            "back-off 5m0s restarting failed container=app",
            8,
            timedelta(seconds=10 + 20 + 40 + 80 + 160 + 300 + 2 * 300),
        ),
        ("", 12, timedelta(0)),
    ],
)
def test_the_wait_tells_how_long_the_loop_has_gone_on(message: str, restarts: int, ago: timedelta) -> None:
    assert since(pod(message, restarts)) == ago


def test_runs_that_last_add_up_and_nothing_began_before_its_pod() -> None:
    assert since(pod("back-off 20s restarting", 2, lived_s=30)) == timedelta(seconds=10 + 2 * 30)
    assert since(pod("back-off 5m0s restarting", 1400, age=timedelta(days=2))) == timedelta(days=2)
