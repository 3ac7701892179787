"""Arguments are checked here, before the call: the SDK drops unknown ones silently, and the caller would never know."""

import difflib
from collections.abc import Mapping
from typing import Any

import re2
from jsonschema import Draft202012Validator, ValidationError, validators  # type: ignore[import-untyped]
from jsonschema.exceptions import SchemaError, best_match  # type: ignore[import-untyped]
from referencing import Registry
from referencing.exceptions import Unresolvable


def _pattern(_validator: Any, pattern: Any, instance: Any, _schema: Any) -> Any:
    # The schema is the server's and the value may be the model's: Python's `re` could be made to run for ever, RE2 cannot.
    if not isinstance(instance, str) or not isinstance(pattern, str):
        return
    options = re2.Options()
    options.log_errors = False
    try:
        found = re2.compile(pattern, options).search(instance.encode("utf-8", "replace").decode())
    except (re2.error, UnicodeEncodeError):
        return  # a pattern that RE2 does not know is left to the server
    if found is None:
        yield ValidationError(f"{instance[:80]!r} does not match {pattern[:80]!r}")


_Validator = validators.extend(Draft202012Validator, {"pattern": _pattern})


class ArgumentCheck:
    """The compiled argument schema of one tool. Never follows a remote ``$ref``."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._properties = schema.get("properties")
        self._trouble = ""
        try:
            _Validator.check_schema(schema)
            self._validator = _Validator(schema, registry=Registry())
        except SchemaError as bad:
            self._trouble = f"the tool's own argument schema is not valid: {bad.message[:160]}"

    def problem(self, arguments: Mapping[str, Any]) -> str:
        """What is wrong with ``arguments``, in one line that names the field; "" when nothing is."""
        if self._trouble:
            return self._trouble
        unknown = self._unknown(arguments)
        if unknown:
            return unknown
        try:
            error = best_match(self._validator.iter_errors(dict(arguments)))
        except (Unresolvable, RecursionError) as bad:
            return f"the tool's own argument schema cannot be resolved: {str(bad)[:160]}"
        if error is None:
            return ""
        where = ".".join(str(part) for part in error.absolute_path)
        return f"argument {where!r}: {error.message[:200]}" if where else error.message[:200]

    def _unknown(self, arguments: Mapping[str, Any]) -> str:
        """Unknown top-level names are refused unless the schema says outright that it takes any."""
        properties = self._properties if isinstance(self._properties, Mapping) else {}
        takes_any = self._schema.get("additionalProperties", False) is not False or "patternProperties" in self._schema
        composed = any(key in self._schema for key in ("anyOf", "oneOf", "allOf", "$ref"))
        if takes_any or (composed and not properties):
            return ""
        for name in arguments:
            if name not in properties:
                close = difflib.get_close_matches(name, list(properties), n=2)
                known = ", ".join(sorted(properties)) or "none"
                hint = f"; did you mean {' or '.join(close)}?" if close else f"; known: {known[:200]}"
                return f"unknown argument {name!r}{hint}"
        return ""
