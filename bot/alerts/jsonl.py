"""One line in, one JSON object out: the work of ``rca parse --jsonl``."""

import json
from typing import Any

from bot.alerts.parse import parse

MAX_LINE = 4_000_000  # characters


def parse_line(line: str) -> dict[str, Any]:
    """``{"is_alert", "source", "reason", "alerts": [...]}`` for a message as JSON, ``{"error": ...}`` for what is none. Never raises.

    An alert always has name, status, severity, namespace and pod; other fields only where they are known. The raw message stays out.
    """
    if len(line) > MAX_LINE:
        return {"error": f"the line has {len(line)} characters; at most {MAX_LINE} are read"}
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        return {"error": f"not JSON: {str(error)[:200] or type(error).__name__}"}
    if not isinstance(message, dict):
        return {"error": f"a message is a JSON object, not {type(message).__name__}"}
    try:
        read = parse(message)
    except RecursionError:
        return {"error": "the message is nested too deep"}
    alerts = [alert.model_dump(mode="json", exclude={"raw"}) for alert in read.alerts]
    always = {"name", "status", "severity", "namespace", "pod"}
    return {
        "is_alert": read.is_alert,
        "source": read.source,
        "reason": read.reason,
        "alerts": [
            {k: v for k, v in alert.items() if k in always or v not in ("", None, [], {}, ())} for alert in alerts
        ],
    }
