"""An `Alert` from a plain mapping: a line of ``rca route --jsonl``, or the ``alert:`` of an inline test.

Shorter to write than a sender's message: what the alert is about is found in its labels and its prose, as for every other alert.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from bot.alerts.model import Alert
from bot.alerts.subject import find
from bot.alerts.words import level_of

_SUBJECT = ("namespace", "pod", "container", "workload", "service", "node", "cluster")
_TEXTS = ("name", "summary", "description", "expr", "source", "text", "severity", *_SUBJECT)
_OTHER = ("status", "starts_at", "values", "links", "fingerprint", "siblings")
_MAPS = ("labels", "annotations")


class BadAlert(Exception):
    """A mapping that is no alert; the message names the field."""


def alert_of(row: Any, source: str = "jsonl") -> Alert:
    """The alert of a mapping with ``name``, ``severity``, ``summary``, ``description``, ``text``, ``expr``, ``source``, ``labels``,
    ``annotations``, and any subject field (``namespace``, ``pod``, …) that should not be looked for. Further keys are ignored.

    Raises `BadAlert`.
    """
    if not isinstance(row, Mapping):
        raise BadAlert(f"an alert is an object, this is {type(row).__name__}")
    texts: dict[str, str] = {}
    for key in _TEXTS:
        value = row.get(key)
        if value is not None and not isinstance(value, str):
            raise BadAlert(f"{key} must be text, got {type(value).__name__}")
        texts[key] = value or ""
    maps: dict[str, dict[str, str]] = {}
    for key in _MAPS:
        value = row.get(key)
        if value is not None and not isinstance(value, Mapping):
            raise BadAlert(f"{key} must be an object, got {type(value).__name__}")
        maps[key] = {str(k): str(v) for k, v in (value or {}).items() if v is not None}
    summary = texts["summary"] or texts["text"]
    name = texts["name"] or maps["labels"].get("alertname", "")
    if not (name or summary or texts["description"]):
        raise BadAlert("the alert has neither name, summary nor description")
    subject = find(maps["labels"], (summary, texts["description"]), name)
    about = {key: texts[key] or getattr(subject, key) for key in _SUBJECT}
    given = {key: row[key] for key in _OTHER if row.get(key) is not None}
    word = texts["severity"] or maps["labels"].get("severity", "")
    try:
        return Alert.model_validate(
            {
                **given,
                **maps,
                **about,
                "name": name,
                "source": texts["source"] or source,
                "summary": summary,
                "description": texts["description"],
                "expr": texts["expr"],
                "severity": level_of(word) if word else None,
                "severity_word": word,
            }
        )
    except ValidationError as problem:
        first = problem.errors(include_url=False)[0]
        raise BadAlert(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
