"""Oversized input: a megabyte of alert, a hundred thousand names, YAML that stands for gigabytes. Bounded, quick, and said."""

import json
import time

import pytest

from bot.alerts.parse import parse
from bot.playbooks.yamlfile import YamlError, read

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
)
FEW_SECONDS = 10.0  # a shared machine; on its own each takes a fraction of one


@pytest.mark.parametrize(
    "text",
    [
        "[FIRING:1] Odd shop (checkout warning)\n" + "A" * 1_000_000,
        "[FIRING:1] Odd shop (checkout warning)\n" + " ".join(f"checkout-{n:06d}-abcde" for n in range(100_000)),
        "[FIRING:1] Odd shop (checkout warning)\n" + "<" * 200_000 + "|" * 200_000 + ">" * 200_000,
        "[FIRING:1] Odd shop (checkout warning)\n" + "-----BEGIN PRIVATE KEY-----" * 40_000,
        "[FIRING:1] Odd shop (checkout warning)\n" + "&amp;" * 200_000,
    ],
    ids=["one word", "pod names", "brackets", "keys", "escapes"],
)
def test_a_megabyte_of_alert_is_read_in_bounds(text: str) -> None:
    attachment = {"color": "danger", "title": text, "text": text, "fields": [{"title": text, "value": text}]}
    began = time.monotonic()
    parsed = parse({"username": "Alertmanager", "bot_id": "B1", "text": text, "attachments": [attachment] * 5})
    assert time.monotonic() - began < FEW_SECONDS
    assert parsed.alerts[0].name.startswith("Odd")
    assert all(len(json.dumps(a.model_dump(mode="json"))) < 300_000 for a in parsed.alerts)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (LAUGHS, ""),
        ("[" * 100_000, ""),
        ("a: &a [*a]\n", ""),
        ("k: " + "x" * 2_000_000, "bytes"),
        ("!!python/object/apply:os.system ['true']\n", ""),
    ],
    ids=["billion laughs", "depth", "an alias of itself", "size", "a tag"],
)  # fmt: skip
def test_yaml_that_stands_for_more_than_it_is(text: str, says: str) -> None:
    began = time.monotonic()
    with pytest.raises(YamlError, match=says or None):
        read(text.encode())
    assert time.monotonic() - began < FEW_SECONDS
