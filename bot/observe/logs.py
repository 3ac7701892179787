"""Structured logs: one JSON object a line on standard error, the incident's id on every line that belongs to one, no secrets.

`bind` ties an incident to the current task and everything that it starts; the standard library's loggers (Bolt, aiohttp, DBOS, uvicorn) go
through the same processors. On a terminal the lines are made for eyes instead.
"""

import logging
import os
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO

import structlog

from mcp_servers.common.redaction import redact, redact_tree
from mcp_servers.common.untrusted import sanitise, sanitise_tree

MAX_TEXT = 4_000  # characters of one value; a log line is no place for payloads
MAX_ITEMS = 50
_OWN = frozenset({"event", "level", "timestamp", "logger", "incident", "exception"})
_QUIET = {
    "aiohttp.access": "WARNING",
    "httpx": "WARNING",
    "httpcore": "WARNING",
    "mcp": "WARNING",
    "asyncio": "WARNING",
}
# At DEBUG these print whole payloads, JSON inside JSON, which no pattern sees through. They set their own levels, so the handler refuses.
_TALKATIVE = ("slack_bolt", "slack_sdk", "openai")


def _no_payloads(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG or not record.name.startswith(_TALKATIVE)


def configure(level: str | None = None, *, stream: TextIO | None = None, json_lines: bool | None = None) -> None:
    """Set up logging of this process; may be called again.

    ``level`` defaults to ``$RCA_LOG_LEVEL``, else INFO; a level that does not exist counts as INFO and is said so in the first line.
    ``stream`` defaults to standard error; ``json_lines`` to true unless the stream is a terminal.
    """
    out = sys.stderr if stream is None else stream
    wanted = (level or os.environ.get("RCA_LOG_LEVEL", "") or "INFO").strip().upper()
    known = logging.getLevelNamesMapping()
    as_json = not out.isatty() if json_lines is None else json_lines
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if as_json:
        last += [
            structlog.processors.format_exc_info,
            clean,
            structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
        ]
    else:
        last += [structlog.processors.format_exc_info, clean, structlog.dev.ConsoleRenderer(colors=out.isatty())]
    handler = logging.StreamHandler(out)
    handler.addFilter(_no_payloads)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=last))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(known.get(wanted, logging.INFO))
    for name, floor in _QUIET.items():
        logging.getLogger(name).setLevel(max(known[floor], root.level))
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    if wanted not in known:
        get("rca").warning("log level is not known, INFO is used", level_given=wanted[:20])


def get(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a room, e.g. ``get("rca.slack")``. Events are short sentences in lower case, facts are keyword arguments."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


@contextmanager
def bind(incident: str, **more: str) -> Iterator[None]:
    """Within it, every line of this task and of the tasks it starts carries ``incident`` (and ``more``)."""
    with structlog.contextvars.bound_contextvars(incident=incident, **more):
        yield


def clean(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor: values redacted, control characters gone (nobody forges a line or paints a terminal), sizes bounded."""
    out: dict[str, Any] = {}
    for i, (key, value) in enumerate(line.items()):
        if i >= MAX_ITEMS:
            out["left_out"] = len(line) - MAX_ITEMS
            break
        out[sanitise(str(key))[:100]] = _value(key, value)
    return out


def _value(key: str, value: Any) -> Any:
    if key in ("level", "timestamp", "logger"):
        return value
    if isinstance(value, bool | int | float) or value is None:
        return value
    if isinstance(value, str):
        return _text(key, value)
    if isinstance(value, dict | list | tuple):
        kept = redact_tree(sanitise_tree(value), key)
        text = repr(kept)
        return kept if len(text) <= MAX_TEXT and text.isprintable() and "\\x" not in text else sanitise(text)[:MAX_TEXT]
    return _text(key, str(value))


def _text(key: str, text: str) -> str:
    safe = sanitise(text[: MAX_TEXT * 2])
    safe = str(redact_tree(safe, key)) if key not in _OWN else redact(safe)
    return safe if len(safe) <= MAX_TEXT else f"{safe[:MAX_TEXT]}...[+{len(safe) - MAX_TEXT}]"
