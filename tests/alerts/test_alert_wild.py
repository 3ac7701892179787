"""Messages in the shapes that senders and teams really post, read from their public notifiers and templates, written anew.

Each is also read without its sender's name, and damaged. What it is about may get lost on the way; it is never wrong.
"""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.alerts.gate import startable
from bot.alerts.model import Alert
from bot.alerts.parse import parse

HERE = Path(__file__).parent
SHAPES = [json.loads(line) for line in (HERE / "real_shapes.jsonl").read_text().splitlines()]
NOTICES = [json.loads(line) for line in (HERE / "no_alerts.jsonl").read_text().splitlines()]
PODS = {"", "ledger-api-6f7d8c9b5-k4x7z"}
KEPT = ("type", "subtype", "bot_id", "ts", "color", "username", "footer", "author_name")


def first(message: dict[str, Any]) -> Alert | None:
    return next(iter(parse(message).alerts), None)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: s["case"])
def test_a_real_shape_is_read(shape: dict[str, Any]) -> None:
    read = parse(shape["message"])
    want = dict(shape["want"])
    assert want.pop("source", read.source) == read.source
    assert want.pop("count", len(read.alerts)) == len(read.alerts)
    assert {key: getattr(read.alerts[0], key) for key in want} == want


NAMED = [s for s in SHAPES if s["message"].get("username")]
# A host that is down has no rule; a stranger's line names it in words.
WORDED = {"icinga_host"}


@pytest.mark.parametrize("shape", NAMED, ids=lambda s: s["case"])
def test_it_is_read_whoever_sends_it(shape: dict[str, Any]) -> None:
    alert = first({key: value for key, value in shape["message"].items() if key != "username"})
    assert alert
    want = {k: v for k, v in shape["want"].items() if k not in ("source", "count")}
    if shape["case"] in WORDED:
        want = {"status": want["status"]}
    assert {key: getattr(alert, key) for key in want} == want


def changed(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {k: v if k in KEPT else changed(v, change) for k, v in value.items()}
    return [changed(v, change) for v in value] if isinstance(value, list) else value


def turned(value: Any) -> Any:
    """The fields in the opposite order."""
    if isinstance(value, dict):
        return {k: turned(v[::-1] if k == "fields" and isinstance(v, list) else v) for k, v in value.items()}
    return [turned(v) for v in value] if isinstance(value, list) else value


def cut(length: int, mark: str = "…") -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda m: changed(m, lambda t: t if len(t) <= length else t[:length] + mark)


GERMAN = {"critical": "kritisch", "Critical": "Kritisch", "warning": "Warnung", "High": "Hoch"}


def german(text: str) -> str:
    for english, word in GERMAN.items():
        text = text.replace(english, word)
    return text


DAMAGES: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], float]] = {  # and how many must still be read
    "escaped": (lambda m: changed(m, lambda t: t.replace("&", "&amp;").replace("<http", "&lt;http")), 1.0),
    "turned": (lambda m: turned(copy.deepcopy(m)), 1.0),
    "windows lines": (lambda m: changed(m, lambda t: t.replace("\n", "\r\n")), 1.0),
    "hard blanks": (lambda m: changed(m, lambda t: t.replace(": ", ":\u00a0")), 1.0),
    "german": (lambda m: changed(m, german), 0.95),
    "cut at 110": (cut(110), 0.95),
    "cut at 60": (cut(60), 0.85),
    "cut at 35": (cut(35, "..."), 0.75),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_loses_something_and_invents_nothing(damage: str) -> None:
    change, enough = DAMAGES[damage]
    alerts = [(shape, first(change(shape["message"]))) for shape in SHAPES]
    for shape, alert in alerts:
        if alert:
            assert alert.namespace in ("", "ledger"), shape["case"]
            assert alert.pod in PODS, shape["case"]
            assert alert.status == shape["want"].get("status", alert.status), shape["case"]
    assert sum(alert is not None for _, alert in alerts) >= enough * len(SHAPES)


@pytest.mark.parametrize(
    "message", NOTICES, ids=lambda m: str(m["text"] or m.get("attachments") or m.get("blocks"))[:50]
)
def test_a_notice_starts_nothing(message: dict[str, Any]) -> None:
    read = parse(message)
    assert not read.is_alert
    assert read.reason
    assert startable(read) == ()


def test_there_are_many_of_both() -> None:
    assert len(SHAPES) >= 95
    assert len(NOTICES) >= 125
