"""Label and field selectors, as list requests carry them."""

import re
from typing import Any

_SET = re.compile(r"\s*([^\s!=,]+)\s+(in|notin)\s+\(([^)]*)\)\s*")
_EQUAL = re.compile(r"\s*([^\s=!]+)\s*(==|=|!=)\s*(\S*)\s*")
FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "status.phase",
    "spec.nodeName",
    "spec.unschedulable",
    "type",
    "reason",
    "source",
)


class BadSelector(ValueError):
    """The selector cannot be parsed, or asks for a field that has no index."""


def _terms(selector: str) -> list[str]:
    """Split at commas that are not inside of a set."""
    return [t for t in re.split(r",(?![^(]*\))", selector) if t.strip()]


def labels_match(selector: str, labels: dict[str, str]) -> bool:
    """Whether ``labels`` satisfy a label selector. Raises `BadSelector`."""
    for term in _terms(selector):
        if match := _SET.fullmatch(term):
            values = [v.strip() for v in match[3].split(",")]
            held = (labels.get(match[1]) in values) == (match[2] == "in")
        elif match := _EQUAL.fullmatch(term):
            held = (labels.get(match[1]) == match[3]) == (match[2] != "!=")
        elif term.strip().startswith("!"):
            held = term.strip()[1:].strip() not in labels
        elif re.fullmatch(r"[A-Za-z0-9./_-]+", term.strip()):
            held = term.strip() in labels
        else:
            raise BadSelector(f"unable to parse requirement: {term}")
        if not held:
            return False
    return True


def fields_match(selector: str, obj: dict[str, Any]) -> bool:
    """Whether ``obj`` satisfies a field selector. Raises `BadSelector`."""
    for term in _terms(selector):
        match = _EQUAL.fullmatch(term)
        if not match:
            raise BadSelector(f"invalid field selector: {term}")
        path = match[1]
        if path not in FIELDS and not path.startswith("involvedObject."):
            raise BadSelector(f"field label not supported: {path}")
        value: Any = obj
        for step in path.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        shown = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        if (shown == match[3]) != (match[2] != "!="):
            return False
    return True
