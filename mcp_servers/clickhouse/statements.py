"""Statements: fixed text, parameters bound by the server, columns that an older server lacks left out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mcp_servers.clickhouse.merging import Merge
from mcp_servers.common.envelope import ToolFailure

_SOURCE = re.compile(r"@(\w+)")


@dataclass(frozen=True)
class Statement:
    """One question. ``columns``: alias -> (expression, the columns of ``table`` that it reads).

    ``rest`` is everything after the select list; ``@name`` stands for ``system.name``, on every replica where a cluster is configured.
    ``needs`` are the columns without which the question makes no sense. ``merge`` makes one answer of several servers' rows; without it
    they stay as they came.
    """

    name: str
    table: str
    columns: Mapping[str, tuple[str, tuple[str, ...]]]
    rest: str
    needs: tuple[str, ...] = ()
    merge: Merge | None = None

    def sql(self, known: frozenset[str], cluster: str = "", **choices: str) -> str:
        """The text for a server whose ``table`` has the columns ``known``. ``choices`` fill ``%(name)s`` from the code's own tables.

        Raises `ToolFailure` UNSUPPORTED when a needed column is missing.
        """
        missing = [name for name in self.needs if name not in known]
        if missing:
            raise ToolFailure(
                "UNSUPPORTED",
                f"system.{self.table} has no column {', '.join(missing)} on this server",
                hint="the server is too old for this question",
            )
        chosen = [
            f"{expression} AS {alias}" for alias, (expression, uses) in self.columns.items() if known.issuperset(uses)
        ]
        text = f"SELECT {', '.join(chosen)} {_filled(self.rest, choices)}"
        return _SOURCE.sub(
            lambda m: f"clusterAllReplicas('{cluster}', system.{m[1]})" if cluster else f"system.{m[1]}", text
        )


def _filled(rest: str, choices: Mapping[str, str]) -> str:
    for name, value in choices.items():
        rest = rest.replace(f"%({name})s", value)
    return rest


def plain(*names: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Columns that are shown as they are."""
    return {name: (name, (name,)) for name in names}


def epoch(**columns: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Times as seconds since 1970, because a DateTime carries the server's own zone."""
    return {alias: (f"toUnixTimestamp({name})", (name,)) for alias, name in columns.items()}


def columns(**given: tuple[str, str]) -> dict[str, tuple[str, tuple[str, ...]]]:
    """alias=(expression, "the columns it reads")."""
    return {alias: (expression, tuple(uses.split())) for alias, (expression, uses) in given.items()}
