"""``rca --help`` against importing what the bot is made of: the command line must not pay for what it does not use."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.figure import Figure

PAIRS = 7


def _seconds(*command: str) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


async def measure() -> list[Figure]:
    rca = str(Path(sys.executable).with_name("rca"))
    heavy = (sys.executable, "-c", "import slack_bolt, agno.agent, mcp")
    _seconds(rca, "--help"), _seconds(*heavy)
    pairs = [(_seconds(rca, "--help"), _seconds(*heavy)) for _ in range(PAIRS)]
    ratio = statistics.median(a / b for a, b in pairs)
    detail = (
        f"medians {statistics.median(a for a, _ in pairs):.2f} s and {statistics.median(b for _, b in pairs):.2f} s"
    )
    return [Figure("rca --help over importing slack_bolt, agno.agent, mcp", ratio, 0.5, detail=detail)]
