"""``rca doctor`` as a page: one line for each thing, what to do right below it, and the permissions of a server's tools as a table."""

from collections.abc import Iterable

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from bot.observe.checkup import BAD, Finding, Row

LOOKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red"), "not set": ("–", "yellow")}
_STATES = {"ok": "green", "forbidden": "red", "partly": "yellow", "unknown": "yellow"}


def show(findings: Iterable[Finding], console: Console) -> int:
    """Print the page; the number of things to mend."""
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    bad = warnings = 0
    for finding in findings:
        symbol, style = LOOKS[finding.health]
        table.add_row(Text(symbol, style=style), finding.area, finding.name, _what(finding))
        bad += finding.health in BAD
        warnings += finding.health == "warning"
    console.print(table)
    console.print()
    console.print(Text(_verdict(bad, warnings)))
    return bad


def _what(finding: Finding) -> Group:
    parts: list[Text | Table] = [Text(finding.what)]
    if finding.mend:
        parts.append(Text(f"→ {finding.mend}", style="bold"))
    if finding.rows:
        parts.append(_permissions(finding.rows))
    parts += [Text(f"! {note}", style="yellow") for note in finding.notes]
    return Group(*parts)


def _permissions(rows: Iterable[Row]) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for row in rows:
        told = Text(row.what)
        if row.why:
            told.append(f": {row.why}", style="dim")
        table.add_row(Text(row.state, style=_STATES.get(row.state, "dim")), told)
    return table


def _verdict(bad: int, warnings: int) -> str:
    rest = f"{warnings} {'warnings' if warnings > 1 else 'warning'}, marked !" if warnings else ""
    if bad:
        things = f"{bad} {'things' if bad > 1 else 'thing'} to mend, marked ✗ or –; the arrow says how"
        return f"{things}. {rest.capitalize()}." if rest else f"{things}."
    return f"It works, with {rest}." if rest else "Everything works."
