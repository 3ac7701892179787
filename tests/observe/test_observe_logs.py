"""Lines that a machine can read, with the incident on them and no secrets in them."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from bot.observe import logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    out = io.StringIO()
    logs.configure("INFO", stream=out)
    yield out
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_one_json_object_a_line(stream: io.StringIO) -> None:
    logs.get("rca.test").info("a step ended", step="pods", seconds=0.2)
    (line,) = lines(stream)
    assert (line["event"], line["step"], line["seconds"], line["level"], line["logger"]) == (
        "a step ended",
        "pods",
        0.2,
        "info",
        "rca.test",
    )
    assert line["timestamp"].endswith("Z")


async def test_the_incident_is_on_every_line_of_its_task_and_on_no_other(stream: io.StringIO) -> None:
    async def work(incident: str) -> None:
        with logs.bind(incident):
            await asyncio.sleep(0)
            logs.get("rca.a").info("ours")
            logging.getLogger("library").warning("theirs %s", 1)

    await asyncio.gather(work("inc-1"), work("inc-2"))
    logs.get("rca.a").info("outside")
    seen = [(line["event"], line.get("incident")) for line in lines(stream)]
    assert sorted(seen[:-1]) == [("ours", "inc-1"), ("ours", "inc-2"), ("theirs 1", "inc-1"), ("theirs 1", "inc-2")]
    assert seen[-1] == ("outside", None)


def test_secrets_are_redacted_by_name_and_by_pattern(stream: io.StringIO) -> None:
    logs.get("rca.a").info(
        "calling https://u:hunter2hunter@h/",
        token="hunter2hunter",
        more={"password": "hunter2hunter", "n": ["xoxb-1234567890-hunter2hunter"]},
    )
    logging.getLogger("library").warning("Authorization: Bearer %s", "hunter2hunter.1")
    assert "hunter2hunter" not in stream.getvalue()


def test_nobody_forges_a_line_or_paints_a_terminal(stream: io.StringIO) -> None:
    logs.get("rca.a").info("x", text='evil\n{"event":"forged"}\x1b[31m\u202e', tree={"k": "\x1b]0;t\x07"})
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()
    assert "\\u001b" not in stream.getvalue()


def test_values_are_bounded(stream: io.StringIO) -> None:
    logs.get("rca.a").info("x", text="a" * 100_000, **{f"k{i}": i for i in range(200)})
    assert len(stream.getvalue()) < 8_000


def test_exceptions_keep_their_traceback(stream: io.StringIO) -> None:
    try:
        raise ValueError("no")  # noqa: TRY301
    except ValueError:
        logs.get("rca.a").exception("a step broke")
    (line,) = lines(stream)
    assert "ValueError: no" in line["exception"]


def test_an_unknown_level_counts_as_info_and_is_said(stream: io.StringIO) -> None:
    logs.configure("LOUD", stream=stream)
    logs.get("rca.a").debug("hidden")
    assert [line["level_given"] for line in lines(stream)] == ["LOUD"]


def test_for_eyes_on_a_terminal(stream: io.StringIO) -> None:
    out = stream
    logs.configure("INFO", stream=out, json_lines=False)
    logs.get("rca.a").info("hello", token="hunter2hunter")
    assert "hello" in out.getvalue()
    assert "hunter2hunter" not in out.getvalue()
