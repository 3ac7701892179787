"""``rca playbooks …``: list, show, lint against the live tools, run the tests in the files, print the schema."""

import asyncio
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot import settings as configuration
from bot.commands.playbooks_page import page
from bot.playbooks.lint import failed, json_schema
from bot.playbooks.lint import lint as find_problems
from bot.playbooks.loader import Library, load_library
from bot.settings import ServerSettings, Settings
from bot.tools.inventory import ToolInfo

_NOWHERE = "127.0.0.1:9"
OWN = tuple(
    ServerSettings(name=name, module=name, env=env)
    for name, env in (
        ("kubernetes", {"KUBECONFIG": ""}),
        ("signoz", {"RCA_SIGNOZ_CLICKHOUSE_URL": f"http://{_NOWHERE}"}),
        ("clickhouse", {"RCA_CH_URL": f"http://{_NOWHERE}"}),
        ("mongodb", {"RCA_MONGO_URI": f"mongodb://{_NOWHERE}"}),
    )
)
"""Our own servers list their tools even while their backends are away, so playbooks can be checked anywhere."""


def list_all(config: Path | None) -> int:
    library = load_library(configuration.load(config).playbook_dirs)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("id", "family", "steps", "findings", "tests", "owner", "title"):
        table.add_column(column, no_wrap=True, overflow="ellipsis")
    for playbook in sorted(library.playbooks.values(), key=lambda p: (-p.priority, p.id)):
        counts = (str(len(playbook.steps)), str(len(playbook.findings)), str(len(playbook.tests)))
        table.add_row(playbook.id, playbook.family, *counts, playbook.owner, playbook.title)
    console = Console()
    console.print(table)
    for problem in library.problems:
        console.print(Text(str(problem), style="red"))
    return 1 if library.problems else 0


def show(playbook_id: str, config: Path | None) -> int:
    library = load_library(configuration.load(config).playbook_dirs)
    playbook = library.get(playbook_id)
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    if playbook is None:
        console.print(f"There is no playbook {playbook_id!r}. There are: {', '.join(sorted(library.playbooks))}.")
        return 2
    for text in page(playbook, library.file_of(playbook_id)):
        console.print(text)
    return 0


def lint(paths: list[Path], config: Path | None) -> int:
    """Exit code 1 when there is an error; warnings alone pass."""
    from bot.investigation.causes import vocabulary

    settings = configuration.load(config)
    library = _library(paths, settings)
    problems = find_problems(library, asyncio.run(inventory_of(settings)), causes=frozenset(vocabulary()))
    for problem in problems:
        print(problem)
    errors = sum(p.level == "error" for p in problems)
    print(f"{len(library.playbooks)} playbooks, {errors} errors, {len(problems) - errors} warnings")
    return 1 if failed(problems) else 0


def test(paths: list[Path], config: Path | None) -> int:
    """Exit code 1 when a test fails or a file cannot be read."""
    from bot.investigation.rehearsal import rehearse
    from bot.playbooks.tests_inline import run_tests

    settings = configuration.load(config)
    library = _library(paths, settings)
    for problem in library.problems:
        print(problem)
    inventory = asyncio.run(inventory_of(settings))

    def signals_of(tool: str) -> frozenset[str] | None:
        return frozenset(inventory[tool].signals) if tool in inventory else None

    results = asyncio.run(run_tests(library.tested(), rehearse(signals_of)))
    for result in results:
        print(result)
    bad = sum(not r.passed for r in results)
    print(f"{len(results) - bad} passed, {bad} failed")
    return 1 if bad or library.problems else 0


def schema() -> int:
    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return 0


def _library(paths: list[Path], settings: Settings) -> Library:
    if not paths:
        return load_library(settings.playbook_dirs)
    return load_library([*settings.playbook_dirs, *paths])


async def inventory_of(settings: Settings) -> dict[str, ToolInfo]:
    """What the configured servers offer, or ours where none is, with what the engine answers itself."""
    from bot.investigation.related import INFO
    from bot.tools.capabilities_door import questions
    from bot.wiring import open_hub

    servers = settings.servers or OWN
    async with open_hub(settings.model_copy(update={"servers": servers})) as hub:
        offered = hub.inventory()
        return {**offered, INFO.name: INFO, **questions(offered)}
