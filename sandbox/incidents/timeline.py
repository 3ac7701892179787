"""The told time of a recording.

A real control plane cannot be asked to have created a Deployment last month, so a recording is made in phases: each `mark` says how long
before the collection its phase lies. When the objects are written, every time of an earlier phase moves back by its phase's offset. The
last phase, the incident itself, keeps its real times: the pace of rollouts, deadlines, back-offs and events is the control plane's own.
"""

import datetime as dt
import re
from typing import Any

ISO = re.compile(r"\b(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)((?:\.\d+)?Z)")


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def iso(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Timeline:
    def __init__(self) -> None:
        self._marks: list[tuple[dt.datetime, dt.timedelta]] = []

    def mark(self, ago: dt.timedelta | None) -> None:
        """From here on, told times begin ``ago`` before the collection; None: real time."""
        at = now().replace(microsecond=0)
        self._marks.append((at, ago if ago is not None else dt.timedelta(0)))

    def told(self, at: dt.datetime, collected: dt.datetime) -> dt.datetime:
        for begin, ago in reversed(self._marks):
            if at >= begin:
                return at if not ago else collected - ago + (at - begin)
        return at

    def retell(self, value: Any, collected: dt.datetime) -> Any:
        """``value`` with every ISO time inside its strings told."""
        if isinstance(value, dict):
            return {k: self.retell(v, collected) for k, v in value.items()}
        if isinstance(value, list):
            return [self.retell(v, collected) for v in value]
        if not isinstance(value, str):
            return value

        def moved(match: re.Match[str]) -> str:
            at = dt.datetime.fromisoformat(match[1]).replace(tzinfo=dt.UTC)
            return self.told(at, collected).strftime("%Y-%m-%dT%H:%M:%S") + match[2]

        return ISO.sub(moved, value)
