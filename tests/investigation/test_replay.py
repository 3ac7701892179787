"""Recordings: what an investigation leaves, and what today's playbooks make of it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult

from bot.alerts.model import Alert
from bot.commands import replay as command
from bot.investigation.cassette import Cassette, CassetteError, CassetteTools, Outcome
from bot.investigation.cassette_deck import investigate_recorded, play
from bot.investigation.investigator import Investigator
from bot.playbooks.loader import load_library
from bot.playbooks.model import Playbook
from bot.playbooks.router import Choice
from bot.settings import ServerSettings, load
from bot.tools.capabilities_door import CapableTools
from bot.tools.hub import Hub
from mcp_servers.common.envelope import Envelope, ToolFailure, ok
from mcp_servers.common.signals import signal
from mcp_servers.common.strict import tool

sys.path.append(str(Path(__file__).parents[1]))
from secrets_corpus import known_secrets

ALERT = Alert(
    source="alertmanager",
    name="KubePodCrashLooping",
    namespace="shop",
    pod="checkout-1",
    starts_at=datetime(2026, 11, 22, 3, 0, tzinfo=UTC),
    raw={"text": "the original"},
)
BOOK: dict[str, Any] = {
    "version": 1,
    "id": "crash",
    "title": "Crash",
    "description": "for tests",
    "steps": [
        {"id": "pod", "title": "The pod", "capability": "k8s.pod",
         "args": {"namespace": "{{ alert.namespace }}", "pod_name": "{{ alert.pod }}"}, "key": True},
        {"id": "logs", "title": "Its log", "tool": "kubernetes.get_pod_logs",
         "args": {"namespace": "{{ alert.namespace }}", "pod_name": "{{ alert.pod }}"}},
        {"id": "traces", "title": "Its traces", "tool": "signoz.search_traces"},
    ],
    "findings": [
        {"id": "oom", "on": "k8s.pod.oom_killed", "cause": "kubernetes.container.oom_killed", "confidence": 0.95, "decisive": True,
         "title": "killed"},
        {"id": "said", "on": "log.oom_text", "title": "it says so"},
    ],
}  # fmt: skip
PLANTED: list[str] = []


async def get_pod_status(namespace: str, pod_name: str) -> Annotated[CallToolResult, Envelope]:
    found = signal(
        "k8s.pod.oom_killed", f"Pod/{namespace}/{pod_name}", "killed", owner=f"Deployment/{namespace}/checkout"
    )
    return ok(Envelope(summary="OOMKilled", signals=[found]))


async def get_pod_logs(namespace: str, pod_name: str) -> Annotated[CallToolResult, Envelope]:
    if PLANTED:
        return ok(Envelope(summary="planted", notes=PLANTED[:5]))
    raise ToolFailure("FORBIDDEN", f"may not read logs in {namespace}", hint="bind the ClusterRole")


def book(**changed: Any) -> Playbook:
    return Playbook.model_validate({**BOOK, **changed})


def choosing(playbook: Playbook) -> Any:
    return lambda alert, pin: Choice(playbook, "pin", "test")


@asynccontextmanager
async def investigator() -> AsyncIterator[Investigator]:
    made = MCPServer(
        "kubernetes",
        tools=[
            tool(get_pod_status, "get_pod_status", "one pod", ("k8s.pod.oom_killed", "k8s.pod.crash_loop")),
            tool(get_pod_logs, "get_pod_logs", "its log", ("log.oom_text",)),
        ],
    )
    hub = Hub((ServerSettings(name="kubernetes"),), ready={"kubernetes": made})
    await hub.start()
    try:
        await hub.wait_ready(10)
        yield Investigator(CapableTools(hub), choosing(book()))
    finally:
        await hub.stop()


async def record(folder: Path, alert: Alert = ALERT) -> Cassette:
    async with investigator() as subject:
        await investigate_recorded(subject, alert, folder=folder, servers=("kubernetes",), investigation="inv-7")
    (file,) = folder.glob("*.json")
    return Cassette.read(file)


async def test_a_recording_holds_what_was_asked_and_told_and_plays_the_same_without_any_server(tmp_path: Path) -> None:
    cassette = await record(tmp_path)
    (file,) = tmp_path.glob("*.json")
    assert file.name.endswith("-kubepodcrashlooping-inv-7.json")
    assert file.stat().st_mode & 0o077 == 0
    assert [c.tool for c in cassette.calls] == ["any.k8s.pod", "kubernetes.get_pod_logs"]
    assert [c.evidence.status for c in cassette.calls] == ["ok", "error"]  # what failed then fails now
    assert cassette.outcome == Outcome(
        playbook="crash", verdict="confirmed", cause="kubernetes.container.oom_killed", object="Deployment/shop/checkout",
        confidence=cassette.outcome.confidence, findings=("oom",),
    )  # fmt: skip
    assert cassette.alert.raw == {}
    assert (cassette.servers, "k8s.pod" in cassette.offers, "logs.patterns" in cassette.offers) == (
        ("kubernetes",),
        True,
        False,
    )

    first, second = await play(file, choosing(book())), await play(file, choosing(book()))
    assert first == second
    assert (first.change, first.broken, first.missing) == ("same", False, ())
    assert first.now == cassette.outcome

    # The whole report is the same too: what could not be checked, what was not configured.
    reports = []
    for _ in range(2):
        subject = Investigator(CassetteTools(cassette), choosing(book()))
        report = await subject.investigate(cassette.alert, investigation="x")
        reports.append(report.model_copy(update={"started_at": cassette.recorded_at, "duration_seconds": 0.0}))
    assert reports[0] == reports[1]
    assert {f.id: f.state for f in reports[0].findings} == {"oom": "true", "said": "unknown"}
    assert any("signoz: no such server is configured" in line.text for line in reports[0].not_checked)


async def test_todays_playbooks_are_judged_by_what_they_lose(tmp_path: Path) -> None:
    await record(tmp_path)
    (file,) = tmp_path.glob("*.json")
    weaker = book(findings=[{**BOOK["findings"][0], "decisive": False, "confidence": 0.6}])
    flipped = await play(file, choosing(weaker))
    assert (flipped.change, flipped.broken, flipped.now.verdict) == ("verdict", True, "likely")
    other = book(findings=[{**BOOK["findings"][0], "cause": "kubernetes.container.crash"}])
    assert (await play(file, choosing(other))).change == "cause"
    renamed = await play(file, choosing(book(id="crash-two")))
    assert (renamed.change, renamed.broken) == ("playbook", False)


async def test_calls_that_the_recording_does_not_hold_are_said_and_their_findings_unknown(tmp_path: Path) -> None:
    await record(tmp_path)
    (file,) = tmp_path.glob("*.json")
    more = book(
        steps=[
            *BOOK["steps"],
            {"id": "events", "title": "Events", "tool": "kubernetes.get_events", "args": {"namespace": "shop"}},
        ]
    )
    played = await play(file, choosing(more))
    assert played.missing == ("kubernetes.get_events(namespace=shop)",)
    assert played.now.verdict == "confirmed"  # a check that cannot be replayed takes nothing away from what was seen


async def test_a_window_that_ended_then_is_found_again(tmp_path: Path) -> None:
    """`around` ends at now at the latest, and a late alert gets windows of its own: the words of a window differ, the question does not."""
    cassette = await record(tmp_path)
    old = Cassette.model_validate(
        {
            **cassette.model_dump(),
            "calls": [
                {
                    **c.model_dump(),
                    "arguments": {**c.arguments, "time_range": "2026-11-22T02:45:00Z/2026-11-22T03:04:10Z"},
                }
                for c in cassette.calls
            ],
        }
    )
    file = old.write(tmp_path / "late")
    steps = [
        {**s, "args": {**s.get("args", {}), "time_range": "{{ alert.starts_at | around('15m', '30m') }}"}}
        for s in BOOK["steps"][:2]
    ]
    for today in (book(), book(steps=steps)):
        played = await play(file, choosing(today))
        assert (played.missing, played.now.verdict) == ((), "confirmed")


async def test_no_secret_reaches_a_recording(tmp_path: Path) -> None:
    secrets = known_secrets()
    lines = [s.line for s in secrets]
    try:
        for n in range(
            0, len(secrets), 40
        ):  # notes are few and short, so the corpus goes in portions, and in the alert as a whole
            PLANTED[:] = lines[n : n + 5]
            folder = tmp_path / str(n)
            alert = ALERT.model_copy(
                update={
                    "summary": lines[n],
                    "description": "\n".join(lines[n : n + 40]),
                    "labels": {"note": lines[n], "password": "hunter2hunter2", "session_token": "s3cr3t-0123456789"},
                    "annotations": {f"a{i}": line for i, line in enumerate(lines[n : n + 40])},
                    "values": tuple(lines[n : n + 40]),
                }
            )
            await record(folder, alert)
            (file,) = folder.glob("*.json")
            text = file.read_text()
            plain = json.dumps(json.loads(text), ensure_ascii=False)
            kept = [s.kind for s in secrets[n : n + 40] if s.core in text or s.core in plain]
            assert kept == []
            assert "hunter2hunter2" not in text
            assert "s3cr3t-0123456789" not in text
    finally:
        PLANTED.clear()


async def test_a_folder_that_cannot_be_written_costs_no_report(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    async with investigator() as subject:
        report = await investigate_recorded(subject, ALERT, folder=blocked / "inside", investigation="inv-1")
    assert report.verdict == "confirmed"


async def test_what_a_resumed_run_took_from_its_journal_is_recorded_as_well(tmp_path: Path) -> None:
    async with investigator() as subject:
        before = await subject.investigate(ALERT, investigation="inv-1")

        class Kept:
            async def load(self) -> dict[str, Any]:
                return {"logs": [e for e in before.evidence if e.step == "logs"]}

            async def save(self, step: str, evidence: Any) -> None: ...

        await investigate_recorded(subject, ALERT, folder=tmp_path, investigation="inv-2", journal=Kept())
    (file,) = tmp_path.glob("*.json")
    assert [c.tool for c in Cassette.read(file).calls] == ["any.k8s.pod", "kubernetes.get_pod_logs"]
    assert (await play(file, choosing(book()))).missing == ()


async def test_old_recordings_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cassette = await record(tmp_path)
    monkeypatch.setattr("bot.investigation.cassette.KEPT", 2)
    for day in (1, 2, 3):
        cassette.model_copy(update={"recorded_at": datetime(2027, 1, day, tzinfo=UTC)}).write(tmp_path)
    assert [f.name[:8] for f in sorted(tmp_path.glob("*.json"))] == ["20270102", "20270103"]


def test_a_file_that_is_no_recording_says_so(tmp_path: Path) -> None:
    odd = tmp_path / "odd.json"
    odd.write_text('{"version": 1, "id": "x"}')
    with pytest.raises(CassetteError, match=r"odd\.json is no cassette of this version: recorded_at: Field required"):
        Cassette.read(odd)
    with pytest.raises(CassetteError, match="cannot be read"):
        Cassette.read(tmp_path / "missing.json")


async def test_the_command_shows_what_flipped_and_fails_for_a_lost_confirmation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Routed by today's library; asked for by a name that is gone; files that are none are named and fail the build."""
    books = tmp_path / "books"
    books.mkdir()
    (books / "crash.yaml").write_text(yaml.safe_dump({**BOOK, "default": True}))
    library = load_library([books], shipped=False)
    assert library.problems == ()
    monkeypatch.setattr("bot.wiring.open_library", lambda settings: library)  # the shipped one takes a second to load
    monkeypatch.chdir(tmp_path)
    tapes = tmp_path / "tapes"
    cassette = await record(tapes)

    async def run(*paths: Path, output: str = "text") -> int:
        return await asyncio.to_thread(command.run, list(paths), output, None)

    assert await run(tapes) == 0
    assert "1 replayed, 0 flipped" in capsys.readouterr().out
    lost = cassette.outcome.model_copy(update={"cause": "kubernetes.image.not_found"})
    cassette.model_copy(update={"outcome": lost, "id": "inv-8", "pin": "gone"}).write(tapes)
    assert await run(tapes) == 1
    out = capsys.readouterr().out
    assert "2 replayed, 1 flipped, 1 of them confirmed before" in out
    assert "kubernetes.image.not_found" in out

    (same,) = tapes.glob("*inv-7.json")
    (tapes / "broken.json").write_text("{")
    assert await run(same, tapes / "broken.json", output="json") == 1
    streams = capsys.readouterr()
    (row,) = json.loads(streams.out)
    assert (row["id"], row["change"], row["now"]["playbook"]) == ("inv-7", "same", "crash")
    assert "broken.json is no cassette" in streams.err

    (tmp_path / "empty").mkdir()
    assert await run(tmp_path / "empty") == 2
    assert "no recording in" in capsys.readouterr().err
    monkeypatch.setenv("RCA_RECORD_DIR", str(tapes))
    assert await run(Path("inv-7")) == 0  # by a part of its name, in the folder of the configuration


def test_where_recordings_go(tmp_path: Path) -> None:
    (tmp_path / "rca.yaml").write_text("record_dir: tapes\n")
    assert load(tmp_path / "rca.yaml", {}).record_dir == tmp_path / "tapes"  # beside the file that says so
    assert load(tmp_path / "rca.yaml", {"RCA_RECORD_DIR": "/var/lib/tapes"}).record_dir == Path("/var/lib/tapes")
    assert load(None, {"RCA_CONFIG": str(tmp_path / "rca.yaml"), "RCA_RECORD_DIR": "here"}).record_dir == Path("here")
