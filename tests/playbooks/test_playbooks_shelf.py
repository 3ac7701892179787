"""Playbooks change while the bot runs: good versions serve at once, broken ones never, and the operator hears of it once."""

import asyncio
import json
from pathlib import Path

import pytest
import structlog

import bot.settings as configuration
from bot.alerts.model import Alert
from bot.playbooks import shelf as room
from bot.playbooks.loader import load_library
from bot.playbooks.shelf import Shelf
from bot.wiring import open_bot
from sandbox.workspace.server import APP_TOKEN, BOT_TOKEN, Workspace

BOOK = """\
version: 1
id: %s
title: %s
description: for tests
default: %s
match: [{name: %s}]
steps:
  - {id: related, title: Step of %s, tool: alert.related}
"""
ALERT = Alert(source="test", name="Watched")


def write(folder: Path, name: str, title: str, *, default: bool = False) -> Path:
    file = folder / f"{name}.yaml"
    file.write_text(BOOK % (name, title, str(default).lower(), "Nothing" if default else "Watched", title))
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "books"
    made.mkdir()
    write(made, "general", "General", default=True)
    return made


async def test_a_broken_file_keeps_its_last_good_version_and_is_told_once(folder: Path) -> None:
    file = write(folder, "watched", "First")
    shelf = Shelf(load_library([folder], shipped=False))
    assert not await shelf.look()  # nothing changed
    with structlog.testing.capture_logs() as said:
        file.write_text("version: 1\nid: watched\nsteps: {oops\n")
        assert await shelf.look()
        assert shelf.choose(ALERT).playbook.title == "First"
        (folder / "other.txt").write_text("not a playbook")
        assert not await shelf.look()
        write(folder, "second", "Another")  # a change elsewhere: the broken file is looked at again and not told again
        assert await shelf.look()
        assert shelf.library.playbooks["watched"].title == "First"
    problems = [entry["problem"] for entry in said if entry["event"] == "playbook_problem"]
    assert len(problems) == len(set(problems)) == 2
    assert "watched.yaml:4" in problems[0]
    assert "the last good version of 'watched' stays in use" in problems[1]

    with structlog.testing.capture_logs() as said:
        write(folder, "watched", "Mended")
        (folder / "second.yaml").unlink()
        assert await shelf.look()
    assert shelf.choose(ALERT).playbook.title == "Mended"
    assert "second" not in shelf.library.playbooks
    assert [e["event"] for e in said].count("playbook_mended") == 2
    (told,) = [e for e in said if e["event"] == "playbooks_reloaded"]
    assert (told["changed"], told["gone"]) == (["watched"], ["second"])


async def test_a_library_that_could_not_route_is_not_taken(folder: Path) -> None:
    shelf = Shelf(load_library([folder], shipped=False))
    (folder / "general.yaml").unlink()
    with structlog.testing.capture_logs() as said:
        assert not await shelf.look()
    assert shelf.choose(ALERT).playbook.id == "general"
    assert [e["event"] for e in said] == ["playbooks_kept"]


async def test_a_mounted_configmap_is_followed(tmp_path: Path) -> None:
    """Kubernetes swaps a link to a hidden folder; the files themselves are links that never change."""
    books = tmp_path / "books"
    for version in ("one", "two"):
        (books / f"..{version}").mkdir(parents=True)
        write(books / f"..{version}", "general", f"Version {version}", default=True)
    (books / "..data").symlink_to("..one")
    (books / "general.yaml").symlink_to("..data/general.yaml")
    shelf = Shelf(load_library([books], shipped=False))
    assert shelf.choose(ALERT).playbook.title == "Version one"
    (books / "..new").symlink_to("..two")
    (books / "..new").rename(books / "..data")
    assert await shelf.look()
    assert shelf.choose(ALERT).playbook.title == "Version two"


async def test_the_running_bot_follows_its_files(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(folder, "watched", "The first version")
    library = load_library([folder], shipped=False)
    monkeypatch.setattr("bot.wiring.open_library", lambda settings: library)  # the shipped one takes a second to load
    monkeypatch.setattr(room, "LOOK_S", 0.02)
    async with Workspace(port=0, rate_limits=False) as workspace:
        environ = {
            "SLACK_API_URL": workspace.api_url,
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_APP_TOKEN": APP_TOKEN,
            "RCA_STORE_URL": f"sqlite:///{tmp_path / 'bot.sqlite'}",
            "RCA_RECORD_DIR": str(tmp_path / "tapes"),
            "RCA_HEALTH_PORT": "0",
        }
        settings = configuration.load(None, environ=environ)
        settings = settings.model_copy(update={"slack": settings.slack.model_copy(update={"edit_interval_s": 0.05})})
        async with open_bot(settings) as running:

            async def serves(title: str) -> None:
                """The next investigation shows the step of this version."""
                before = {m["ts"] for m in workspace.channel_messages("#alerts")}
                await workspace.slash("dana", "#alerts", "/rca", "run watched")

                def threads() -> str:
                    new = [m["ts"] for m in workspace.channel_messages("#alerts") if m["ts"] not in before]
                    return json.dumps([workspace.thread("#alerts", ts) for ts in new], default=str)

                await workspace.wait_for(lambda: f"Step of {title}" in threads(), 30)
                await workspace.wait_for(lambda: not running.runtime.running(), 30)

            file.write_text("version: 1\nid: watched\n  steps: {oops\n")
            async with asyncio.timeout(10):
                while not running.shelf.library.problems:
                    await asyncio.sleep(0.01)
            await serves("The first version")
            write(folder, "watched", "The second version")
            async with asyncio.timeout(10):
                while running.shelf.choose(ALERT).playbook.title != "The second version":
                    await asyncio.sleep(0.01)
            await serves("The second version")
            assert len(list((tmp_path / "tapes").glob("*.json"))) == 2  # each left its recording
