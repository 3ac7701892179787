"""What a caller sent to a method, whichever way: JSON body, form or query; and how methods read it."""

import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.workspace.errors import SlackError

# Fields that are JSON even where the caller had to send them as a form's string.
JSON_FIELDS = frozenset(
    {"attachments", "blocks", "chunks", "event_payload", "files", "loading_messages", "metadata", "view"}
)
MOST_DEPTH = 60


@dataclass(frozen=True)
class Args:
    """The arguments of one call, with readers that raise ``invalid_arguments`` naming the argument."""

    values: dict[str, Any]

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def get(self, name: str) -> Any:
        return self.values.get(name)

    def text(self, name: str, default: str = "") -> str:
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise SlackError("invalid_arguments", [f"must be a string [json-pointer:/{name}]"])
        return str(value)

    def required(self, *names: str) -> None:
        missing = [name for name in names if self.values.get(name) in (None, "")]
        if missing:
            raise SlackError("invalid_arguments", [f"missing required field: {name}" for name in missing])

    def flag(self, name: str, default: bool = False) -> bool:
        value = self.values.get(name)
        if value is None:
            return default
        return str(value).lower() in ("1", "true", "yes")

    def integer(self, name: str, default: int, *, least: int = 1, most: int = 1000) -> int:
        value = self.values.get(name)
        if value in (None, ""):
            return default
        try:
            number = int(str(value))
        except ValueError:
            raise SlackError("invalid_limit" if name == "limit" else "invalid_arguments") from None
        if not least <= number <= most:
            raise SlackError("invalid_limit" if name == "limit" else "invalid_arguments")
        return number


async def read_args(request: web.Request) -> tuple[Args, str]:
    """The arguments and the bearer token of a call. Raises invalid_json, json_not_object, invalid_form_data."""
    values: dict[str, Any] = dict(request.query)
    if request.can_read_body:
        if request.content_type == "application/json":
            values |= _json_object(await request.text())
        elif request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
            try:
                form = await request.post()
            except ValueError:
                raise SlackError("invalid_form_data") from None
            values |= {key: value for key, value in form.items() if isinstance(value, str)}
    for name in JSON_FIELDS & values.keys():
        if isinstance(values[name], str):
            values[name] = _parsed(values[name], name)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    in_body = values.pop("token", "")
    token = token.strip() if scheme.lower() == "bearer" else ""
    return Args(values), token or (in_body if isinstance(in_body, str) else "")


def _json_object(body: str) -> dict[str, Any]:
    if not body.strip():
        return {}
    value = loads(body)
    if not isinstance(value, dict):
        raise SlackError("json_not_object")
    return value


def _parsed(text: str, name: str) -> Any:
    try:
        return loads(text)
    except SlackError:
        raise SlackError(f"invalid_{name}_format" if name == "blocks" else "invalid_arguments") from None


def loads(text: str) -> Any:
    """JSON of a bounded depth; everything that follows may walk it without fear. Raises invalid_json."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise SlackError("invalid_json") from None
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MOST_DEPTH:
            raise SlackError("invalid_json", [f"nested deeper than {MOST_DEPTH}"])
        containers = [entry for entry in level if isinstance(entry, dict | list)]
        level = [child for c in containers for child in (c.values() if isinstance(c, dict) else c)]
    return value
