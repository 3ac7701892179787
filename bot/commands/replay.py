"""``rca replay``: recorded investigations against today's playbooks; a team's regression suite."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from bot import settings as configuration
from bot.investigation.cassette import CassetteError, Outcome
from bot.investigation.cassette_deck import Replayed, play
from bot.settings import Settings

_MARK = {"same": "=", "playbook": "~", "cause": "!", "verdict": "!"}


def run(paths: list[Path], output: str, config: Path | None) -> int:
    """Exit code 0 when every confirmed verdict stands, 1 when one does not or a file cannot be read, 2 when there is nothing to play."""
    settings = configuration.load(config)
    files = find(paths, settings)
    if not files:
        where = ", ".join(map(str, paths)) or str(settings.record_dir or "")
        said = f"no recording in {where}" if where else "name a recording or a folder of them, or set record_dir"
        print(
            f"rca replay: {said}. `rca investigate --record DIR` and `record_dir` in rca.yaml make some.",
            file=sys.stderr,
        )
        return 2
    played, unread = asyncio.run(_play(files, settings))
    if output == "json":
        json.dump([_row(p) for p in played], sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
    else:
        _print(played)
    for problem in unread:
        print(f"rca replay: {problem}", file=sys.stderr)
    return 1 if unread or any(p.broken for p in played) else 0


def find(paths: list[Path], settings: Settings) -> list[Path]:
    """The files meant: files, folders, or a part of a recording's name or id in ``record_dir``. In the order of their names."""
    folder = settings.record_dir
    if not paths:
        return sorted(folder.glob("*.json")) if folder else []
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(path.glob("*.json"))
        elif path.exists() or not folder:
            found.append(path)
        else:
            part = path.name.lower()
            found += sorted(f for f in folder.glob("*.json") if part in f.name) or [path]
    return list(dict.fromkeys(found))


async def _play(files: list[Path], settings: Settings) -> tuple[list[Replayed], list[str]]:
    from bot.playbooks.router import Router
    from bot.wiring import open_library

    router = Router(open_library(settings))
    played: list[Replayed] = []
    unread: list[str] = []
    for file in files:  # one after the other: the order of the lines is that of the files
        try:
            played.append(await play(file, router.choose))
        except CassetteError as error:
            unread.append(str(error))
    return played, unread


def _print(played: list[Replayed]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 160)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "recorded", "alert", "was", "is now", "calls not recorded"):
        table.add_column(column, overflow="fold")
    for each in played:
        was, now = each.cassette.outcome, each.now
        style = "bold red" if each.broken else "yellow" if each.change in ("cause", "verdict") else ""
        same = each.change == "same"
        table.add_row(
            Text(_MARK[each.change], style=style),
            f"{each.cassette.recorded_at:%Y-%m-%d %H:%M}",
            Text(each.cassette.alert.name[:60]),
            Text(_said(was, was.playbook != now.playbook)),
            Text("the same" if same else _said(now, was.playbook != now.playbook), style=style),
            str(len(each.missing) or ""),
        )
    console.print(table)
    for each in played:
        for call in each.missing:
            console.print(Text(f"not recorded: {each.file.name}: {call}", style="dim"))
    flipped = [p for p in played if p.change in ("cause", "verdict")]
    broken = sum(p.broken for p in played)
    console.print(f"{len(played)} replayed, {len(flipped)} flipped, {broken} of them confirmed before")


def _said(outcome: Outcome, with_playbook: bool) -> str:
    named = f"{outcome.cause} on {outcome.object}" if outcome.cause else "no cause"
    line = f"{outcome.verdict}: {named}" + (f" ({outcome.confidence:.2f})" if outcome.cause else "")
    return f"{line} [{outcome.playbook}]" if with_playbook else line


def _row(each: Replayed) -> dict[str, Any]:
    return {
        "file": each.file.name,
        "id": each.cassette.id,
        "alert": each.cassette.alert.name,
        "change": each.change,
        "broken": each.broken,
        "was": each.cassette.outcome.model_dump(mode="json"),
        "now": each.now.model_dump(mode="json"),
        "missing": list(each.missing),
    }
