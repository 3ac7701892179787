"""The sandbox's samples read as they are described."""

import json
from pathlib import Path

import pytest

from bot.alerts.gate import startable
from bot.alerts.parse import parse

FOLDER = Path(__file__).parents[2] / "sandbox" / "samples"
STARTS = {"10", "11", "12", "14", "20", "30", "31", "40", "41"}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda p: p.stem)
def test_sample(path: Path) -> None:
    sample = json.loads(path.read_text())
    assert set(sample) == {"title", "sender", "channel", "description", "message"}
    posted = {
        "type": "message",
        "subtype": "bot_message",
        "bot_id": "B1",
        "username": sample["sender"],
        "ts": "1.0",
        "text": "",
        **sample["message"],
    }
    read = parse(posted)
    alerts = startable(read)
    assert bool(alerts) == (path.stem[:2] in STARTS)
    assert all(a.namespace in ("shop", "") for a in alerts)
    assert read.is_alert or "nothing is started" in sample["description"]
