"""``rca route``: which playbook fits an alert, and why."""

from pathlib import Path

from bot import settings as configuration
from bot.commands.jsonl import filter_lines


def run(jsonl: bool, config: Path | None) -> int:
    from bot.playbooks.router import Router, route_line
    from bot.wiring import open_library

    router = Router(open_library(configuration.load(config)))
    return filter_lines(lambda line: route_line(router, line), jsonl=jsonl)
