"""One file's text to one `Playbook` or `Fragment`, or to every problem in it with its line."""

from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from bot.playbooks.model import Fragment, Playbook
from bot.playbooks.problem import Problem, did_you_mean
from bot.playbooks.yamlfile import Document, Path, YamlError, read

_Model = TypeVar("_Model", Playbook, Fragment)
_SAID = {
    "missing": "is missing; add it",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping of names to values",
    "model_type": "must be a mapping",
    "string_type": "must be text; put it in quotes",
}


def parse(text: bytes, file: str, model: type[_Model]) -> tuple[_Model | None, Document | None, list[Problem]]:
    """The validated object, where its parts stand, and what is wrong. The object is ``None`` when its shape is wrong."""
    try:
        document = read(text)
    except YamlError as problem:
        return None, None, [Problem(file, problem.line, "", str(problem))]
    if not isinstance(document.value, dict):
        return (
            None,
            document,
            [Problem(file, 1, "", f"a {model.__name__.lower()} is a mapping that begins with `version: 1`")],
        )
    name = document.value.get("id")
    label = name if isinstance(name, str) else ""
    try:
        return model.model_validate(document.value), document, []
    except ValidationError as errors:
        found = [_problem(model, document, error, file, label) for error in errors.errors(include_url=False)]
        return None, document, found


def at(document: Document, path: Path, message: str, file: str, playbook: str) -> Problem:
    """A problem at a path of the file."""
    return Problem(file, document.line(path), dotted(path), message, playbook=playbook)


def dotted(path: Path) -> str:
    """``steps[2].args.namespace``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text


def _problem(model: type[BaseModel], document: Document, error: Any, file: str, playbook: str) -> Problem:
    path: Path = tuple(error["loc"])
    kind = error["type"]
    if kind == "extra_forbidden":
        parent = _model_at(model, path[:-1])
        known = list(parent.model_fields) if parent else []
        close = did_you_mean(str(path[-1]), known, f"; known here: {', '.join(known)}" if known else "")
        message = f"unknown key{close}"
    elif kind == "value_error":
        message = str(error["msg"]).removeprefix("Value error, ")
    elif kind == "string_pattern_mismatch":
        message = f"{error['input']!r:.60} does not match {error['ctx']['pattern']}"
    else:
        given = error.get("input")
        shown = "" if kind == "missing" or isinstance(given, dict | list) else f" (got {given!r:.60})"
        message = f"{_SAID.get(kind, error['msg'])}{shown}"
    return at(document, path, message, file, playbook)


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The model whose fields stand at ``path``, by walking annotations."""
    here: Any = model
    for part in path:
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = here.model_fields.get(str(part))
            here = field.annotation if field else None
        else:
            here = next((a for a in get_args(here) if a is not Ellipsis and a is not type(None) and a is not str), None)
        while here is not None and not isinstance(here, type) and type(None) in get_args(here):
            here = next(a for a in get_args(here) if a is not type(None))
    return here if isinstance(here, type) and issubclass(here, BaseModel) else None
