"""``rca tools``: every tool of every configured server: what it is for, what its definition costs a model, and why it is not called."""

import asyncio
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bot import settings as configuration
from bot.settings import Settings
from bot.tools.inventory import ServerHealth, ToolInfo
from bot.tools.size import definition_tokens


@dataclass(frozen=True)
class Row:
    """One tool. ``tokens`` is what its definition costs in a prompt; ``why_not`` is one line when it is not called."""

    tool: str
    purpose: str
    tokens: int
    signals: int
    pin: str
    why_not: str = ""
    audience: str = ""


def run(config: Path | None, output: str, *, pins: bool = False) -> int:
    """Exit code 1 when a server is not up or a pinned definition changed, else 0."""
    settings = configuration.load(config)
    tools, health = asyncio.run(_look(settings))
    rows = [row(info) for info in tools.values()]
    trouble = [h for h in health if not h.ok or h.changed]
    if pins:
        print(_pins(rows))
    elif output == "json":
        print(json.dumps([asdict(r) for r in rows], indent=2, ensure_ascii=False))
    elif output == "md":
        print(markdown(rows))
    else:
        _table(rows, health)
    return 1 if trouble else 0


async def _look(settings: Settings) -> tuple[dict[str, ToolInfo], list[ServerHealth]]:
    from bot.wiring import open_hub

    async with open_hub(settings) as hub:
        return hub.inventory(), hub.health()


def row(info: ToolInfo) -> Row:
    return Row(
        tool=info.name,
        purpose=purpose(info.description),
        tokens=definition_tokens(info),
        signals=len(info.signals),
        pin=info.sha256,
        why_not="" if info.allowed else info.reason,
        audience=info.audience,
    )


def purpose(description: str) -> str:
    """The first sentence of a description, or what of it fits a line."""
    line = " ".join(description.split())
    first, dot, _ = line.partition(". ")
    sentence = first + "." if dot else line
    return sentence if len(sentence) <= 160 else sentence[:159].rstrip() + "…"


def offered(rows: list[Row]) -> list[Row]:
    """The tools that a model may be offered: admitted, and not for operators only."""
    return [r for r in rows if not r.why_not and r.audience != "operator"]


def _table(rows: list[Row], health: list[ServerHealth]) -> None:
    console = Console()
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("tool", no_wrap=True)
    table.add_column("tokens", justify="right")
    table.add_column("signals", justify="right")
    table.add_column("what it is for", overflow="fold")
    for r in rows:
        what = Text(f"not called: {r.why_not}", style="yellow") if r.why_not else Text(r.purpose)
        table.add_row(r.tool, str(r.tokens), str(r.signals or ""), what)
    console.print(table)
    for server in health:
        if not server.ok:
            console.print(Text(f"{server.name}: not up: {server.reason or server.state}", style="red"))
    if not rows and not health:
        console.print("No tool server is configured. Set KUBECONFIG, or list servers in rca.yaml.")
    elif rows:
        called = offered(rows)
        console.print(
            Text(
                f"\n{len(called)} tools are offered to a model; their definitions have about {sum(r.tokens for r in called):,} tokens. "
                "A playbook names the few that it wants.",
                style="dim",
            )
        )


def markdown(rows: list[Row]) -> str:
    lines = ["| tool | tokens | what it is for |", "|---|---:|---|"]
    lines += [f"| `{r.tool}` | {r.tokens} | {r.purpose.replace('|', chr(92) + '|')} |" for r in rows if not r.why_not]
    return "\n".join(lines)


def _pins(rows: list[Row]) -> str:
    """``pins`` for each server's entry in rca.yaml, of the tools that are admitted now."""
    lines: list[str] = []
    server = ""
    for r in rows:
        if r.why_not:
            continue
        name, _, tool = r.tool.partition(".")
        if name != server:
            server = name
            lines.append(f"# server {name}\npins:")
        lines.append(f"  {tool}: {r.pin}")
    return "\n".join(lines)
