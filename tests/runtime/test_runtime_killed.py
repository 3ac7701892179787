"""``kill -9`` between two steps: the next start goes on where it was."""

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


def test_a_killed_bot_goes_on_at_the_step_it_was_in(store_url, tmp_path):
    log = tmp_path / "log"
    first = start(store_url, str(log), "--accept")
    wait_for(log, "step logs")
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = start(store_url, str(log))
    assert second.wait(timeout=60) == 0
    told = lines(log)
    assert told.count("step pods") == told.count("step changes") == 1  # finished before the kill: not asked again
    assert told.count("step logs") == 2  # was under way
    assert told[-1] == "finished E1,E2,E3,E4"
    assert told.count("accepted") == 1


def test_work_that_was_accepted_just_before_the_kill_is_not_lost(store_url, tmp_path):
    log = tmp_path / "log"
    first = start(store_url, str(log), "--accept")
    wait_for(log, "accepted")
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert start(store_url, str(log)).wait(timeout=60) == 0
    assert lines(log)[-1] == "finished E1,E2,E3,E4"
