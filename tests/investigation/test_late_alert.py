"""A late alert is examined around its own time; what could only be seen as it is now is listed."""

from datetime import UTC, datetime, timedelta

import pytest

from bot.alerts.model import Alert
from bot.investigation.anchor import LATE, windows_of
from bot.investigation.investigator import Investigator
from bot.playbooks.model import Playbook
from bot.playbooks.router import Choice
from bot.tools.evidence import Evidence
from bot.tools.inventory import ToolInfo

NOW = datetime.now(UTC)
WINDOW = {"properties": {"time_range": {"type": "string", "default": "30m"}}}
INVENTORY = {
    "kubernetes.get_events": ToolInfo("kubernetes.get_events", "kubernetes", "get_events", schema=WINDOW),
    "kubernetes.get_pod_status": ToolInfo("kubernetes.get_pod_status", "kubernetes", "get_pod_status", schema={}),
}
BOOK = Playbook.model_validate(
    {
        "version": 1,
        "id": "late",
        "title": "Late",
        "description": "x",
        "steps": [
            {"id": "events", "title": "What the cluster reports", "tool": "kubernetes.get_events"},
            {
                "id": "chosen",
                "title": "Its own window",
                "tool": "kubernetes.get_events",
                "args": {"time_range": "{{ alert.starts_at | around('5m', '5m') }}"},
            },
            {"id": "pods", "title": "State of the pods", "tool": "kubernetes.get_pod_status"},
            {"id": "foreign", "title": "Another server", "tool": "other.look"},
        ],
    }
)


class Tools:
    """Writes down the arguments of each step."""

    def __init__(self) -> None:
        self.asked: dict[str, dict] = {}

    def has_server(self, name: str) -> bool:
        return True

    def signals_of(self, tool: str) -> None:
        return None

    async def call(self, tool, arguments, *, id, step, title="", timeout=None) -> Evidence:
        self.asked[step] = arguments
        return Evidence(id=id, step=step, server="kubernetes", tool=tool.partition(".")[2], summary="seen", at=NOW)


async def examined(starts_at: datetime | None):
    tools = Tools()
    choose = lambda alert, pin: Choice(playbook=BOOK, stage="pin", because="test")  # noqa: E731
    investigator = Investigator(tools, choose, windows=windows_of(INVENTORY.get))
    alert = Alert(source="alertmanager", name="Late", starts_at=starts_at)
    return tools.asked, await investigator.investigate(alert, investigation="inv-1")


async def test_windows_that_a_playbook_leaves_open_move_to_the_alerts_own_time() -> None:
    began = NOW - timedelta(hours=2)
    asked, report = await examined(began)
    start, end = (datetime.fromisoformat(part) for part in asked["events"]["time_range"].split("/"))
    assert abs(start - (began - timedelta(minutes=30))) < timedelta(seconds=2)
    assert abs(end - (began + timedelta(minutes=15))) < timedelta(seconds=2)
    assert asked["pods"] == asked["foreign"] == {}
    own, _ = (datetime.fromisoformat(part) for part in asked["chosen"]["time_range"].split("/"))
    assert abs(own - (began - timedelta(minutes=5))) < timedelta(seconds=2)
    assert report.notes[0] == "examined 2 h after it began, around its own time where that can be seen"
    assert report.blind_spots == ("As it is now, 2 h after the alert began: State of the pods",)


@pytest.mark.parametrize("ago", [None, timedelta(0), LATE - timedelta(minutes=1)], ids=["unknown", "now", "young"])
async def test_a_young_alert_lies_within_the_windows_that_end_now(ago: timedelta | None) -> None:
    asked, report = await examined(None if ago is None else datetime.now(UTC) - ago)
    assert asked["events"] == {}
    assert report.blind_spots == ()
    assert not any("after it began" in note for note in report.notes)
