"""A recorded cluster in memory: the objects and logs of one folder, told as if they had been read just now."""

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

from sandbox.cluster.kinds import KINDS, PLURAL

Json = dict[str, Any]
_ISO = re.compile(
    r"(?<![\d-])(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)((?:[.,]\d{1,9})?(?:Z|\+00:?00)|(?=[.,]\d{1,9}(?![\d])))"
)
_BARE = re.compile(r"^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?![\d]|[.,]?\d*(?:Z|[+-]\d\d))")


class RecordingError(Exception):
    """The folder holds no readable recording; the message names the file and what is wrong."""


def shift(text: str, by: dt.timedelta) -> str:
    """``text`` with its UTC times moved: ISO times with ``Z`` anywhere, and one without a zone at the beginning of a log line."""

    def moved(match: re.Match[str]) -> str:
        separator = match[1][10]
        at = dt.datetime.fromisoformat(match[1]) + by
        tail = match[2] if match.lastindex and match.lastindex > 1 else ""
        return at.strftime(f"%Y-%m-%d{separator}%H:%M:%S") + tail

    return _BARE.sub(moved, _ISO.sub(moved, text))


def shift_tree(value: Any, by: dt.timedelta) -> Any:
    """`shift` over every string of a JSON-like value."""
    if isinstance(value, str):
        return shift(value, by)
    if isinstance(value, dict):
        return {k: shift_tree(v, by) for k, v in value.items()}
    return [shift_tree(v, by) for v in value] if isinstance(value, list) else value


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecordingError(
            f"{path}: {error.strerror}; a recording needs objects.json, logs.json and case.json"
        ) from error
    except ValueError as error:
        raise RecordingError(f"{path}: not JSON ({error})") from error


class Recording:
    """``objects`` by (group/version, plural). ``collected_at`` is the moment of the recording, ``moved`` how far it was shifted."""

    def __init__(self, folder: Path, now: dt.datetime | None = None) -> None:
        case = _load(folder / "case.json")
        try:
            self.collected_at = dt.datetime.fromisoformat(case["collected_at"])
        except (KeyError, TypeError, ValueError) as error:
            raise RecordingError(f"{folder / 'case.json'}: collected_at must be an ISO time") from error
        self.version = str(case.get("version") or "v1.31.0")
        self.namespace = str(case.get("namespace") or "default")
        self.moved = (now or dt.datetime.now(dt.UTC)).replace(microsecond=0) - self.collected_at
        self.objects: dict[tuple[str, str], list[Json]] = {}
        listing = _load(folder / "objects.json")
        for item in listing.get("items") or []:
            self._add(shift_tree(item, self.moved))
        self.logs: Json = shift_tree(_load(folder / "logs.json"), self.moved) if (folder / "logs.json").exists() else {}

    def _add(self, item: Json) -> None:
        plural = PLURAL.get(str(item.get("kind")))
        if plural is None or plural == "secrets":
            return
        version = str(item.get("apiVersion") or KINDS[plural].version)
        self.objects.setdefault((version, plural), []).append({**item, "apiVersion": version})

    def versions(self) -> dict[str, list[str]]:
        """Plurals by group/version: the recording's own where it has objects of the kind, the current one for the others."""
        found: dict[str, list[str]] = {}
        recorded = {plural: version for version, plural in self.objects}
        for plural, served in KINDS.items():
            if plural in recorded or not served.addon:
                found.setdefault(recorded.get(plural, served.version), []).append(plural)
        return found

    def listed(self, version: str, plural: str, namespace: str = "") -> list[Json]:
        rows = self.objects.get((version, plural), [])
        return [r for r in rows if not namespace or r["metadata"].get("namespace") == namespace]

    def lines(self, pod: Json, previous: bool) -> list[str]:
        """A pod's log lines: by its own name, by its ``app`` label, by the name of what it belongs to."""
        labels, name = pod["metadata"].get("labels") or {}, pod["metadata"]["name"]
        stem = re.sub(r"(-[a-z0-9]{5,10})?-[a-z0-9]{4,5}$", "", name)
        for key in (name, labels.get("app"), labels.get("app.kubernetes.io/name"), stem):
            entry = self.logs.get(key) if key else None
            if isinstance(entry, dict):
                return [str(line) for line in entry.get("previous" if previous else "current") or []]
            if isinstance(entry, list):
                return [str(line) for line in entry]
        return []
