"""``kill -9`` after the acceptance and between two steps: the next start goes on where it was."""

import signal
import subprocess
import sys
import time
from pathlib import Path

BOT = str(Path(__file__).with_name("killed_bot.py"))


def lines(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []


def wait_for(log: Path, line: str, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while line not in lines(log):
        assert time.monotonic() < end, f"{line!r} did not come: {lines(log)}"
        time.sleep(0.02)


def start(*arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, BOT, *arguments], cwd=Path(__file__).parents[2])


def test_a_killed_bot_goes_on_where_it_was_each_time_it_starts(store_url, tmp_path):
    log = tmp_path / "log"
    for argument, moment in (
        ("--accept", "accepted"),
        ("", "step logs"),
    ):  # just after the acceptance; in the third of four steps
        bot = start(store_url, str(log), argument)
        wait_for(log, moment)
        bot.send_signal(signal.SIGKILL)
        bot.wait()
    assert start(store_url, str(log)).wait(timeout=60) == 0
    told = lines(log)
    assert told.count("accepted") == 1
    assert told.count("step changes") == 1  # finished before the kill: not asked again
    assert told.count("step logs") == 2  # was under way
    assert told[-1] == "finished E1,E2,E3,E4"
