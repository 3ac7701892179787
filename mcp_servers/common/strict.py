"""Tools that refuse what they do not know.

The SDK drops unknown arguments silently; a model that sends ``timeRange=`` would get the default window and never know. `tool` builds a
read-only tool whose argument model forbids extras and whose refusals and `ToolFailure`s are typed ``is_error`` answers.
"""

import functools
from collections.abc import Awaitable, Callable, Iterable
from difflib import get_close_matches
from typing import Any

from mcp.server.mcpserver.context import Context
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, ToolAnnotations
from pydantic import ConfigDict, ValidationError

from mcp_servers.common.envelope import ErrorInfo, ToolFailure, fail
from mcp_servers.common.signals import CATALOGUE
from mcp_servers.common.untrusted import clean

READ_ONLY = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=True)
SIGNALS_KEY = "rca/signals"
AUDIENCE_KEY = "rca/audience"


_SHOWN = 3  # wrong arguments that one answer names


class StrictTool(Tool):
    """A tool that says which argument is wrong; the SDK's own words for that name Python classes and quote the values."""

    async def run(self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False) -> Any:
        try:
            self.fn_metadata.validate_arguments(arguments)
        except ValidationError as error:
            return fail(_refusal(self.name, error, self.fn_metadata.arg_model.model_fields))
        return await super().run(arguments, context, convert_result)


def _refusal(tool_name: str, error: ValidationError, known: Iterable[str]) -> ErrorInfo:
    names = list(known)
    told, hints = [], []
    problems = error.errors(include_url=False, include_input=False)
    for problem in problems[:_SHOWN]:
        name = clean(".".join(map(str, problem["loc"])) or "arguments", 60)
        if problem["type"] == "extra_forbidden":
            told.append(f"{name} is not an argument")
            hints += get_close_matches(_plain(name), names, 1, 0.6)
        else:
            told.append(f"{name}: {clean(problem['msg'], 120)}")
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    close = f"did you mean {', '.join(dict.fromkeys(hints))}? " if hints else ""
    takes = f"{tool_name} takes {', '.join(names)}" if names else f"{tool_name} takes no arguments"
    return ErrorInfo(code="VALIDATION", message=f"{tool_name}: {'; '.join(told)}{more}", hint=close + takes)


def _plain(name: str) -> str:
    """``timeRange`` as we would write it."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def tool(
    fn: Callable[..., Awaitable[CallToolResult]],
    name: str,
    description: str,
    signals: tuple[str, ...] = (),
    *,
    audience: str = "",
) -> Tool:
    """A strict, read-only tool.

    ``fn`` must be annotated ``-> Annotated[CallToolResult, SomeEnvelope]`` so that its output schema is published. ``signals`` are the
    codes it may emit; clients find them in the tool's ``_meta`` and know which findings stay unknown when the call fails. ``audience`` is
    "operator" for what serves those who run the bot and is not offered to a model.
    """
    unknown = [code for code in signals if code not in CATALOGUE]
    if unknown:
        raise ValueError(f"{name}: signals not in the catalogue: {', '.join(unknown)}")

    @functools.wraps(fn)
    async def guarded(*args: Any, **kwargs: Any) -> CallToolResult:
        try:
            return await fn(*args, **kwargs)
        except ToolFailure as failure:
            return fail(failure.info)

    meta: dict[str, Any] = {SIGNALS_KEY: list(signals), **({AUDIENCE_KEY: audience} if audience else {})}
    built = StrictTool.from_function(guarded, name=name, description=description, annotations=READ_ONLY, meta=meta)
    base = built.fn_metadata.arg_model
    built.fn_metadata.arg_model = type(
        base.__name__, (base,), {"model_config": ConfigDict(extra="forbid", arbitrary_types_allowed=True)}
    )
    built.parameters["additionalProperties"] = False
    if built.fn_metadata.output_schema is not None:
        built.fn_metadata.output_schema = or_error(built.fn_metadata.output_schema)
    return built


def or_error(schema: dict[str, Any]) -> dict[str, Any]:
    """``schema`` or an error: an answer that says why there is none must fit the published schema too, because some clients check it."""
    whole = {name: part for name, part in schema.items() if name not in ("$defs", "title", "description")}
    error = {
        "type": "object",
        "properties": {"error": {"type": "object", "required": ["code", "message"]}},
        "required": ["error"],
        "additionalProperties": False,
    }
    return {"type": "object", "anyOf": [whole, error], **({"$defs": schema["$defs"]} if "$defs" in schema else {})}
