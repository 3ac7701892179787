"""Which expressions rest on text that a stranger can write."""

from datetime import UTC, datetime

import pytest

from bot.investigation.taint import reads_tainted
from bot.playbooks.expressions import Condition
from bot.tools.evidence import Evidence
from mcp_servers.common.signals import signal

LOGS = Evidence(
    id="E1",
    step="logs",
    server="k8s",
    tool="get_pod_logs",
    data={"patterns": [{"template": "refused", "count": 3}], "lines": ["refused"]},
    signals=(signal("log.conn_refused", "Pod/shop/a"), signal("k8s.pod.crash_loop", "Pod/shop/a")),
    tainted=("patterns[].template", "lines[]"),
    at=datetime(2026, 11, 22, tzinfo=UTC),
)
FOREIGN = LOGS.model_copy(update={"id": "E2", "step": "foreign", "tainted": ("*",)})


@pytest.mark.parametrize(
    "source",
    [
        "steps.logs.patterns | tojson is search('refused')",
        "steps.logs.patterns | map(attribute='template') | select('search', 'x') | list | length > 0",
        "'refused' in steps.logs.lines",
        "steps.logs.items | selectattr('ok') | list | tojson is search('x')",
        "steps.logs.data.lines | length > 3",
        "steps.logs.signals | has_signal('log.conn_refused')",
        "steps.foreign.anything == 'x'",
    ],
)
def test_what_a_workload_wrote_is_tainted(source: str) -> None:
    assert reads_tainted(Condition(source), {"logs": [LOGS], "foreign": [FOREIGN]})


@pytest.mark.parametrize(
    ("about", "tainted"),
    [("HelmRelease/checkout", False), ("Pod/checkout-1", True), ("Node/worker-1", True), ("", True)],
)
def test_a_controller_speaks_for_itself_and_a_pod_s_event_quotes_the_pod(about: str, tainted: bool) -> None:
    events = LOGS.model_copy(
        update={"tool": "get_events", "arguments": {"object": about}, "tainted": ("events[].message",)}
    )
    read = Condition("steps.said.events | map(attribute='message') | list | tojson is search('x')")
    assert reads_tainted(read, {"said": [events]}) is tainted


@pytest.mark.parametrize(
    "source",
    [
        "steps.logs.ok",
        "steps.logs.status == 'error' and steps.logs.error is search('refused')",
        "steps.logs.patterns | selectattr('count', 'ge', 3) | list | length > 0",
        "steps.logs.total > 3",
        "steps.logs.signals | has_signal('k8s.pod.crash_loop')",
        "alert.text is search('x')",
    ],
)
def test_what_a_server_measured_is_not(source: str) -> None:
    assert not reads_tainted(Condition(source), {"logs": [LOGS]})
