"""Whatever arrives: parsing ends soon, raises nothing and invents nothing."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.alerts.gate import startable
from bot.alerts.jsonl import parse_line
from bot.alerts.parse import parse
from bot.alerts.reading import MAX_ALERTS

SAMPLES = [
    json.loads(p.read_text()) for p in sorted((Path(__file__).parents[2] / "sandbox" / "samples").glob("*.json"))
]
_KEYS = """text attachments blocks fields title value fallback pretext elements type color ts rows labels alerts status message event
    subtype bot_id user metadata bot_profile actions annotations startsAt name source style commonLabels"""
_WORDS = """[FIRING:1]~[RESOLVED]~*Pod:* a-0~namespace: shop~`~<http://x|y>~&lt;~Alert: X~ • ~map[a:b~{a="b"~severity = critical
    ~Pod shop/a-0~(a b~**Firing**~message_changed~rich_text~table~section~🔥~=~:~|~\n~\x00~\u202e"""
KEYS = st.sampled_from(_KEYS.split())
WORDS = st.sampled_from(_WORDS.split("~"))
TEXT = st.lists(WORDS | st.text(max_size=12), max_size=12).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=6),
    max_leaves=25,
)
RELAXED = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@RELAXED
@given(st.dictionaries(KEYS, JSON, max_size=8))
def test_any_json_is_survived(message: dict[str, Any]) -> None:
    read = parse(message)
    assert len(read.alerts) <= MAX_ALERTS
    for alert in read.alerts:
        assert alert.name.strip()
        assert len(alert.name) <= 200
        assert len(alert.hints.split()) <= 20
    startable(read)
    json.dumps(read.model_dump(mode="json"))


@RELAXED
@given(TEXT, TEXT, TEXT)
def test_no_name_is_invented(title: str, text: str, value: str) -> None:
    message = {
        "bot_id": "B1",
        "text": text,
        "attachments": [{"title": title, "text": text, "fields": [{"title": "Pod", "value": value}]}],
    }
    seen = "\n".join((title, text, value))
    seen += re.sub(
        r"<[^<>|]*\|([^<>]*)>", r"\1", seen
    )  # people see a link's words, and what stands before and after them is one word with it
    for alert in parse(message).alerts:
        for name in (alert.namespace, alert.pod, alert.node, alert.container, alert.workload.rpartition("/")[2]):
            assert name in seen


@RELAXED
@given(st.text(max_size=200))
def test_any_line_gets_one_answer(line: str) -> None:
    answer = parse_line(line)
    assert ("error" in answer) != ("is_alert" in answer)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: s["title"])
def test_damaged_samples_are_survived(sample: dict[str, Any]) -> None:
    message = sample["message"]
    text = json.dumps(message)
    for cut in range(0, len(text), max(1, len(text) // 12)):
        parse({"bot_id": "B1", "text": text[:cut]})
    parse(dict.fromkeys(message))
    parse({"attachments": [{"blocks": message.get("attachments")}], "blocks": message})
    parse({"type": "event_callback", "event": {"subtype": "message_changed", "message": message}})


HOSTILE = {
    "parentheses": "(" * 16_000,
    "pairs": "a=b " * 5_000,
    "maps": "map[" * 5_000,
    "stars": "*" * 16_000,
    "blanks": "pod: " + " " * 16_000 + "x",
    "wide blanks": "\u3000" * 16_000 + "x",
    "tabs": "\t" * 16_000 + "x",
    "colons": "a:" * 8_000,
    "emphasis": "*a/b" * 4_000,
    "sentences": "in namespace " * 1_300,
    "dashes": "Pod " + "a-" * 8_000,
    "quotes": 'a="\\' * 4_000,
    "links": "<http://x|" * 2_000,
    "escapes": "&amp;" * 4_000,
    "emoji": ":" + "a" * 16_000,
    "digests": "last 5 days " * 1_400,
    "lines": "pod: a-0\n" * 2_000,
    "alerts": "".join(f"alertname: a{i}\npod: p-{i}\n" for i in range(800)),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_costs_bounded_time(kind: str) -> None:
    text = HOSTILE[kind]
    started = time.process_time()
    parse({"bot_id": "B1", "text": f"[FIRING:1] X\n{text}", "attachments": [{"title": f"[FIRING:1] {text}"}]})
    assert time.process_time() - started < 2  # seconds of CPU; what grows faster than its input takes minutes here


def test_many_attachments_are_bounded() -> None:
    one = {
        "title": "[FIRING:1] HighMemory",
        "text": "*pod:* x-1\n" * 50,
        "fields": [{"title": "Namespace", "value": "shop"}] * 100,
    }
    assert len(parse({"bot_id": "B1", "attachments": [one] * 500}).alerts) <= MAX_ALERTS


def test_deep_nesting_is_no_crash() -> None:
    line = '{"bot_id":"B1","blocks":' + '[{"type":"rich_text","elements":' * 20_000 + "[]" + "}]" * 20_000 + "}"
    assert "error" in parse_line(line)
    block: dict[str, Any] = {"type": "rich_text", "elements": []}
    for _ in range(300):
        block = {"type": "rich_text", "elements": [block]}
    assert not parse({"bot_id": "B1", "blocks": [block]}).is_alert
