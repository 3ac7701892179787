"""Access logs: which routes a gateway or server answers, and which of them always fail while the others do well.

Reads the shapes that servers write by default: the common and combined log format (nginx, Apache, Envoy), ``GET "/path"`` between bars
(gin), JSON and ``key=value`` lines with a path and a status. A request line is written by whoever sends requests, so what this finds is
what the log says, nothing more.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

import re2

LEAST_REQUESTS: Final = 5
"""Requests of a route below which nothing is said about it."""
ALWAYS: Final = 0.95
"""Share of failures from which a route "always" fails."""
SELDOM: Final = 0.2
"""Share of failures up to which another route does well."""
MAX_ROUTES: Final = 500
_METHOD = "GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS"
_PATH = r"(?:https?://[^/\s\"]+)?(?P<path>/[^\s\"?#]*)[^\s\"]*"  # no counted repeats: they blow RE2 up, and lines are cut before
_STATUS = r"(?P<status>[1-5][0-9][0-9])\b"
_PATH_WORD, _STATUS_WORD = "(?:path|uri|url|request_uri|http_path)", "(?:status|code|status_code|http_status)"
_SHAPES: Final = (
    re2.compile(rf'(?:{_METHOD}) {_PATH} HTTP/[0-9.]+"?,? (?:status )?{_STATUS}'),
    re2.compile(rf'\| *{_STATUS} *\|.*\b(?:{_METHOD}) +"?{_PATH}'),
    re2.compile(rf'\b{_PATH_WORD}="?{_PATH}"?.*\b{_STATUS_WORD}="?{_STATUS}'),
    re2.compile(rf'\b{_STATUS_WORD}="?{_STATUS}.*\b{_PATH_WORD}="?{_PATH}'),
)
_PATH_KEYS: Final = ("path", "uri", "url", "request_uri", "http.target", "url.path", "http_path", "request.path")
_STATUS_KEYS: Final = (
    "status",
    "status_code",
    "code",
    "response_code",
    "http.status_code",
    "http.response.status_code",
)
_PREFIX = re.compile(r"(?i)^(?:api|rest|rpc|public|internal|v[0-9]{1,2}(?:\.[0-9]{1,2})?)$")
_WORD = re.compile(r"^[A-Za-z][A-Za-z0-9_.-]{1,60}$")
Failure = Literal["not_found", "server_error"]


@dataclass(frozen=True)
class Route:
    """A route that always fails. ``path`` ends with ``word``, its first part that is no version or general prefix."""

    path: str
    word: str
    requests: int
    status: int
    failure: Failure


def request(line: str) -> tuple[str, int] | None:
    """Path (without query) and status of a line of an access log; ``None`` for any other line. Looks at 2,000 characters."""
    line = line[:2_000]
    if line.lstrip().startswith("{"):
        return _json(line)
    for shape in _SHAPES:
        if match := shape.search(line):
            return str(match.group("path")), int(match.group("status"))
    return None


def failing_routes(lines: Iterable[str]) -> list[Route]:
    """Routes of which (nearly) every request is answered 404, 405, 410, 421 or 5xx, while at least one other route does well.

    Most requests first. Empty when all fail (then it is no matter of one route) and for logs that are no access logs.
    """
    seen: dict[tuple[str, str], dict[int, int]] = {}
    for line in lines:
        asked = request(line)
        place = _route(asked[0]) if asked else None
        if asked and place and (place in seen or len(seen) < MAX_ROUTES):
            counts = seen.setdefault(place, {})
            counts[asked[1]] = counts.get(asked[1], 0) + 1
    found, well = [], False
    for (path, word), counts in seen.items():
        total = sum(counts.values())
        if total < LEAST_REQUESTS:
            continue
        bad = {status: n for status, n in counts.items() if _failure(status)}
        share = sum(bad.values()) / total
        well = well or share <= SELDOM
        if share >= ALWAYS:
            status = max(bad, key=lambda s: (bad[s], -s))
            failure = _failure(status)
            if failure:
                found.append(Route(path, word, total, status, failure))
    return sorted(found, key=lambda r: (-r.requests, r.path)) if well else []


def _failure(status: int) -> Failure | None:
    if status in (404, 405, 410, 421):
        return "not_found"
    return "server_error" if status >= 500 else None


def _route(path: str) -> tuple[str, str] | None:
    parts = [part for part in path.split("/") if part][:4]
    for n, part in enumerate(parts):
        if not _PREFIX.match(part):
            return ("/" + "/".join(parts[: n + 1]), part) if _WORD.match(part) else None
    return None


def _json(line: str) -> tuple[str, int] | None:
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    path = next((row[k] for k in _PATH_KEYS if isinstance(row.get(k), str)), "")
    status = next((row[k] for k in _STATUS_KEYS if isinstance(row.get(k), int | str)), 0)
    path = re.sub(r"^https?://[^/]{1,200}", "", path).split("?")[0]
    return (path, int(status)) if path.startswith("/") and str(status).isdigit() and 100 <= int(status) < 600 else None
